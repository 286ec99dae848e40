"""The documents and measurements that the catalogue rests on, each named once."""

from __future__ import annotations

_KERNEL = "Linux Documentation/"

HUGETLB_PAGES = _KERNEL + "admin-guide/mm/hugetlbpage.rst"
HUGETLB_SOURCE = "Linux 6.12 mm/hugetlb.c, set_max_huge_pages()"
TRANSPARENT_HUGE_PAGES = _KERNEL + "admin-guide/mm/transhuge.rst"
OVERCOMMIT_ACCOUNTING = _KERNEL + "mm/overcommit-accounting.rst"
SYSCTL_VM = _KERNEL + "admin-guide/sysctl/vm.rst"
SYSCTL_KERNEL = _KERNEL + "admin-guide/sysctl/kernel.rst"
CPUFREQ = _KERNEL + "admin-guide/pm/cpufreq.rst"
INTEL_PSTATE = _KERNEL + "admin-guide/pm/intel_pstate.rst"
AMD_PSTATE = _KERNEL + "admin-guide/pm/amd-pstate.rst"
SYSFS_BLOCK = _KERNEL + "ABI/stable/sysfs-block"
ELEVATOR_SOURCE = "Linux 6.12 block/elevator.c, elevator_get_default()"

NVIDIA_GRACE = "https://nvidia.github.io/grace-cpu-benchmarking-guide/platform/"
NVIDIA_TUNED = "https://github.com/NVIDIA/nodewright-packages nvidia-tuned/README.md"
AMD_MI300X = "https://github.com/ROCm/amdgpu-docs docs/system-optimization/mi300x.rst"
SGLANG = "https://docs.sglang.io/platforms/amd_gpu.html"
TUNED = "https://github.com/redhat-performance/tuned profiles/, 2.28"
POWER_PROFILES_DAEMON = "https://gitlab.freedesktop.org/upower/power-profiles-daemon README"
COREWEAVE = "https://docs.coreweave.com configure-huge-pages"
KUBERNETES_HUGE_PAGES = "https://kubernetes.io/docs Manage HugePages"

DEEPEP_624 = "https://github.com/deepseek-ai/DeepEP/issues/624"
OLLAMA_6425 = "https://github.com/ollama/ollama/issues/6425"
SAFETENSORS_528 = "https://github.com/huggingface/safetensors/issues/528"
LLAMA_CPP_2251 = "https://github.com/ggml-org/llama.cpp/pull/2251"
LLAMA_CPP_28223 = "https://github.com/ggml-org/llama.cpp/pull/28223"

MEASURED_POOLS = "measured by this project on Linux 6.1 and 6.12 guests of 2 GiB"
MEASURED_OVERCOMMIT = "measured by this project on Linux 6.1, 6.12 and 6.18"
MEASURED_QUEUES = "measured by this project on Linux 6.12 and 6.18, loop and virtual disks"
MEASURED_READ_AHEAD = "measured by this project on Linux 6.18, cold reads from one virtual disk"
