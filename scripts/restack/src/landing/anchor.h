// SPDX-License-Identifier: GPL-2.0-or-later
// Landing one edit by the scope that it belongs to, when its neighbour lines changed.
#pragma once

#include "side.h"

namespace restack {

/// The edit of `base`, inside the scope `from`, into the scope `to` of `target`. `moved` says so in
/// the evidence (another file, or another name of the scope); empty otherwise. `map` is of the
/// whole files, for scopes that are all of them.
Landing LandInScope(const Edit& edit, const Side& base, const Scope& from, const Side& target,
                    const Scope& to, const std::string& moved, const LineMap* map = nullptr);

/// The edit between the scopes of a file, or in a file whose language has none.
Landing LandBetweenScopes(const Edit& edit, const Side& base, const Side& target,
                          const LineMap& map);

/// The whole file as one scope.
Scope WholeFile(const Side& side);

}  // namespace restack
