"""What the made-up machine's files say before anything moves: gpu-node-07.

Two nodes, 64 cores, 1007.5 GiB, eight H100, four NVMe disks, Linux 6.8. It is tuned as many such
servers are found: half of it. What moves with time is in `world`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .devices import build_disks, build_gpus
from .files import Files

if TYPE_CHECKING:
    from pathlib import Path

HOST = "gpu-node-07"
KERNEL = "6.8.0-45"
BOOT_ID = "5f0c1c5e-6a3d-4a52-9f0b-1d7c2e9b8a41"
CORES = 64
NODES = (0, 1)
CORES_PER_NODE = CORES // len(NODES)
MEMORY_KIB = 1056440320  # 1007.5 GiB
POOL_SIZES_KIB = (2048, 1048576)
MIN_KHZ, BASE_KHZ, MAX_KHZ = 800_000, 2_100_000, 3_800_000
NO_TURBO_PCT = BASE_KHZ * 100 // MAX_KHZ
THP_SIZES_KIB = (16, 32, 64, 128, 256, 512, 1024, 2048)

MODEL = "Llama-3.1-405B-Instruct"
MODEL_DIRECTORY = f"/models/{MODEL}"
MODEL_FILES = 191
MODEL_BYTES = 811_700_000_000

CPU = "/sys/devices/system/cpu"
NODE = "/sys/devices/system/node"
MM = "/sys/kernel/mm"

_SYSCTL = {
    "kernel/hostname": HOST,
    "kernel/ostype": "Linux",
    "kernel/osrelease": KERNEL,
    "kernel/version": "#45-Ubuntu SMP PREEMPT_DYNAMIC",
    "kernel/random/boot_id": BOOT_ID,
    "kernel/numa_balancing": 1,
    "kernel/numa_balancing_promote_rate_limit_MBps": 65536,
    "vm/overcommit_memory": 0,
    "vm/overcommit_ratio": 50,
    "vm/overcommit_kbytes": 0,
    "vm/nr_hugepages": 0,
    "vm/nr_hugepages_mempolicy": 0,
    "vm/nr_overcommit_hugepages": 0,
    "vm/admin_reserve_kbytes": 8192,
    "vm/user_reserve_kbytes": 131072,
    "vm/panic_on_oom": 0,
    "vm/oom_kill_allocating_task": 0,
    "vm/hugetlb_optimize_vmemmap": 0,
    "vm/hugetlb_shm_group": 0,
    "vm/swappiness": 60,
    "vm/compact_memory": "",
    "vm/drop_caches": "",
    "vm/min_free_kbytes": 67584,
    "vm/zone_reclaim_mode": 0,
    "vm/max_map_count": 65530,
    "vm/watermark_scale_factor": 10,
    "vm/watermark_boost_factor": 15000,
    "vm/compaction_proactiveness": 20,
    "vm/vfs_cache_pressure": 100,
    "vm/dirty_ratio": 20,
    "vm/dirty_bytes": 0,
    "vm/dirty_background_ratio": 10,
    "vm/dirty_background_bytes": 0,
    "vm/dirty_expire_centisecs": 3000,
    "vm/dirty_writeback_centisecs": 500,
    "vm/page-cluster": 3,
}

_MOUNTS = """\
sysfs /sys sysfs rw,nosuid,nodev,noexec,relatime 0 0
proc /proc proc rw,nosuid,nodev,noexec,relatime 0 0
tmpfs /run tmpfs rw,nosuid,nodev,noexec,relatime,mode=755 0 0
/dev/sda2 / ext4 rw,relatime 0 0
cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime 0 0
/dev/md0 /scratch xfs rw,relatime 0 0
/dev/nvme0n1p1 /models btrfs ro,relatime 0 0"""


def build(root: Path) -> Files:
    """Write the machine's files under an empty directory; nothing moves yet."""
    files = Files(root)
    _build_proc(files)
    _build_cpus(files)
    _build_nodes(files)
    _build_memory(files)
    _build_etc(files)
    build_disks(files)
    build_gpus(files)
    _build_model(files)
    return files


def model_file(number: int) -> str:
    """Path of one of the model's files, counted from 1."""
    return f"{MODEL_DIRECTORY}/model-{number:05}-of-{MODEL_FILES:05}.safetensors"


def node_of(cpu: int) -> int:
    """The node a core belongs to: the first half of the cores is node0."""
    return cpu // CORES_PER_NODE


def cpu_list(node: int) -> str:
    """The cores of a node, as the kernel writes a range."""
    return f"{node * CORES_PER_NODE}-{(node + 1) * CORES_PER_NODE - 1}"


def _build_proc(files: Files) -> None:
    files.put_all("/proc/sys", dict(_SYSCTL))
    files.put_all(
        "/proc",
        {
            "version": f"Linux version {KERNEL} (buildd@made-up) #45-Ubuntu SMP PREEMPT_DYNAMIC",
            "cmdline": f"BOOT_IMAGE=/boot/vmlinuz-{KERNEL} root=/dev/sda2 ro quiet",
            "swaps": "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority",
            "mounts": _MOUNTS,
            "filesystems": "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\n\text4\n\txfs\n\tbtrfs",
        },
    )
    files.put_all(
        "/proc/1",
        {
            "comm": "systemd",
            "cmdline": "/sbin/init",
            "cgroup": "0::/init.scope",
            "environ": "",
            "status": "Name:\tsystemd\nPid:\t1\nPPid:\t0\nUid:\t0\t0\t0\t0\nNSpid:\t1",
        },
    )


def _build_cpus(files: Files) -> None:
    every = f"0-{CORES - 1}"
    files.put_all(CPU, {"online": every, "possible": every, "present": every, "offline": ""})
    files.put_all(f"{CPU}/smt", {"active": 0, "control": "notsupported"})
    files.put_all(
        f"{CPU}/intel_pstate",
        {"status": "active", "no_turbo": 0, "min_perf_pct": 21, "max_perf_pct": 100},
    )
    files.put_all(f"{CPU}/cpuidle", {"current_driver": "intel_idle", "current_governor": "menu"})
    for cpu in range(CORES):
        _build_cpu(files, cpu)
        _build_policy(files, cpu)


def _build_cpu(files: Files, cpu: int) -> None:
    here, node = f"{CPU}/cpu{cpu}", node_of(cpu)
    files.put_all(
        f"{here}/topology",
        {
            "physical_package_id": node,
            "core_id": cpu % CORES_PER_NODE,
            "core_cpus_list": cpu,
            "thread_siblings_list": cpu,
            "package_cpus_list": cpu_list(node),
        },
    )
    if cpu:  # the boot CPU cannot be taken offline: no file
        files.put(f"{here}/online", "1")
    files.put(f"{here}/power/pm_qos_resume_latency_us", "0")
    files.link_to(f"{here}/cpufreq", f"{CPU}/cpufreq/policy{cpu}")
    files.link_to(f"{here}/node{node}", f"{NODE}/node{node}")
    files.link_to(f"{NODE}/node{node}/cpu{cpu}", here)


def _build_policy(files: Files, cpu: int) -> None:
    fast = node_of(cpu) == 0
    files.put_all(
        f"{CPU}/cpufreq/policy{cpu}",
        {
            "affected_cpus": cpu,
            "related_cpus": cpu,
            "scaling_driver": "intel_pstate",
            "scaling_governor": "performance" if fast else "powersave",
            "scaling_available_governors": "performance powersave",
            "scaling_min_freq": MIN_KHZ,
            "scaling_max_freq": MAX_KHZ,
            "scaling_setspeed": "<unsupported>",
            "cpuinfo_min_freq": MIN_KHZ,
            "cpuinfo_max_freq": MAX_KHZ,
            "base_frequency": BASE_KHZ,
            "cpuinfo_transition_latency": 0,
            "energy_performance_preference": "performance" if fast else "balance_power",
            "energy_performance_available_preferences": (
                "default performance balance_performance balance_power power"
            ),
        },
    )


def _build_nodes(files: Files) -> None:
    every = f"0-{NODES[-1]}"
    files.put_all(
        NODE,
        dict.fromkeys(("online", "possible", "has_cpu", "has_memory", "has_normal_memory"), every),
    )
    for node in NODES:
        here = f"{NODE}/node{node}"
        files.put_all(
            here,
            {"cpulist": cpu_list(node), "distance": "10 21" if node == 0 else "21 10"},
        )
        for size in POOL_SIZES_KIB:
            files.put_all(
                f"{here}/hugepages/hugepages-{size}kB",
                {"nr_hugepages": 0, "free_hugepages": 0, "surplus_hugepages": 0},
            )


def _build_memory(files: Files) -> None:
    for size in POOL_SIZES_KIB:
        files.put_all(
            f"{MM}/hugepages/hugepages-{size}kB",
            {
                "nr_hugepages": 0,
                "nr_hugepages_mempolicy": 0,
                "free_hugepages": 0,
                "resv_hugepages": 0,
                "surplus_hugepages": 0,
                "nr_overcommit_hugepages": 0,
            },
        )
    thp = f"{MM}/transparent_hugepage"
    files.put_all(
        thp,
        {
            "enabled": "always [madvise] never",
            "defrag": "always defer defer+madvise [madvise] never",
            "shmem_enabled": "always within_size advise [never] deny force",
            "use_zero_page": 1,
            "hpage_pmd_size": 2097152,
        },
    )
    files.put_all(
        f"{thp}/khugepaged",
        {
            "defrag": 1,
            "pages_to_scan": 4096,
            "scan_sleep_millisecs": 10000,
            "alloc_sleep_millisecs": 60000,
            "max_ptes_none": 511,
            "max_ptes_swap": 64,
            "max_ptes_shared": 256,
        },
    )
    for size in THP_SIZES_KIB:
        inherits = "always [inherit] madvise never"
        alone = "always inherit madvise [never]"
        files.put(
            f"{thp}/hugepages-{size}kB/enabled", inherits if size == THP_SIZES_KIB[-1] else alone
        )
    files.put(f"{MM}/ksm/run", "0")
    files.put(f"{MM}/numa/demotion_enabled", "false")
    files.put_all(f"{MM}/lru_gen", {"enabled": "0x0007", "min_ttl_ms": 0})
    files.put_all(
        "/sys/module/zswap/parameters",
        {"enabled": "N", "compressor": "lzo", "max_pool_percent": 20},
    )


def _build_etc(files: Files) -> None:
    files.put_all(
        "/etc",
        {
            "hostname": HOST,
            "os-release": 'ID=ubuntu\nVERSION_ID="24.04"\nPRETTY_NAME="Ubuntu 24.04.1 LTS"',
            "sysctl.conf": "# System-wide settings go to /etc/sysctl.d.",
            "sysctl.d/10-network-security.conf": "net.ipv4.conf.all.rp_filter = 2",
            "sysctl.d/90-gpu-node.conf": "vm.swappiness = 10\nvm.zone_reclaim_mode = 0",
        },
    )
    for directory in (
        "/etc/udev/rules.d", "/etc/tmpfiles.d", "/etc/modules-load.d", "/run", "/var/lib",
    ):  # fmt: skip
        files.path(directory).mkdir(parents=True)


def _build_model(files: Files) -> None:
    share, rest = divmod(MODEL_BYTES, MODEL_FILES)
    for number in range(1, MODEL_FILES + 1):
        files.sparse(model_file(number), share + (1 if number <= rest else 0))
    files.put(
        f"{MODEL_DIRECTORY}/config.json",
        '{"model_type": "llama", "num_hidden_layers": 126, "torch_dtype": "bfloat16"}',
    )
