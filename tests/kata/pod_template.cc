// SPDX-License-Identifier: GPL-2.0-or-later
#include "kata/pod_template.h"

#include <stdexcept>

#include "kata/pod_shim.h"
#include "kata/qmp_calls.h"

namespace stx {

// A tmpfs, as /run/vc/vm/template is for Kata.
PodTemplate::PodTemplate(const PodSettings& settings)
    : dir_("stx-template", "/dev/shm"), settings_(settings) {
  if (settings.machine != MachineType::kQ35 || settings.hugepages)
    throw std::runtime_error(
        "a template is a q35 whose RAM is a file of its own: no microvm, no "
        "hugepages");
  if (std::filesystem::exists("/dev/vhost-vsock")) calls_ = std::make_shared<VsockCalls>();
  Pod pod(settings_, Form(PodForm::kTemplate));
  PodShim shim(pod);
  pod.agent();
  pod.HangUp();
  shim.Pause();
  const auto start = Clock::now();
  SaveTemplate(pod.qmp(), state(), kTemplateTimeout);
  to_save_ = std::chrono::duration_cast<Milliseconds>(Clock::now() - start);
  shim.Stop();
}

std::unique_ptr<Pod> PodTemplate::Clone() {
  auto pod = std::make_unique<Pod>(settings_, Form(PodForm::kClone));
  LoadTemplate(pod->qmp(), state(), kTemplateTimeout);
  PodShim(*pod).Resume();
  return pod;
}

}  // namespace stx
