// SPDX-License-Identifier: GPL-2.0-or-later
#include <nlohmann/json.hpp>

template class nlohmann::basic_json<>;
