"""The made-up machine's disks and GPUs, laid out under /sys/devices as a real machine lays them.

`/sys/block/X` is a link into the PCI tree, and `device` a link back up from there, so that code
which follows the links of a real machine finds its way here too.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .files import Files

SECTOR = 512


@dataclass(frozen=True, slots=True)
class MadeUpDisk:
    """One disk: where it hangs, and how its queue is set.

    Attributes:
        name: `nvme0n1`.
        pci: Path of its controller below /sys/devices, "" for a disk made of others.
        below: Path from the controller down to the disk.
        up: What its `device` link says.
        node: NUMA node of the controller.
        sectors: Size in units of 512 bytes.
        depth: Requests its hardware queue takes; without a scheduler `nr_requests` is this.
    """

    name: str
    pci: str
    below: str
    up: str
    node: int
    sectors: int
    model: str
    scheduler: str
    read_ahead_kib: int
    nr_requests: int
    depth: int


def _nvme(number: int) -> MadeUpDisk:
    bus = 0x26 + 0x40 * (number // 2) + number % 2 * 0x10
    return MadeUpDisk(
        name=f"nvme{number}n1",
        pci=f"pci0000:{bus:02x}/0000:{bus:02x}:01.0/0000:{bus + 1:02x}:00.0",
        below=f"nvme/nvme{number}",
        up=f"../../nvme{number}",
        node=number // 2,
        sectors=7_501_476_528,
        model="SAMSUNG MZQL23T8HCLS-00A07",
        scheduler="[none] mq-deadline",
        read_ahead_kib=128,
        nr_requests=1023,
        depth=1023,
    )


NVME = tuple(_nvme(number) for number in range(4))
SDA = MadeUpDisk(
    name="sda",
    pci="pci0000:00/0000:00:17.0",
    below="ata1/host0/target0:0:0/0:0:0:0/block",
    up="../../../0:0:0:0",
    node=0,
    sectors=937_703_088,
    model="INTEL SSDSC2KB48",
    scheduler="none [mq-deadline]",
    read_ahead_kib=4096,
    nr_requests=256,
    depth=256,
)
DISKS = (*NVME, SDA)
# The options that mq-deadline starts with; how many requests it holds is `async_depth` too.
MQ_DEADLINE = {
    "read_expire": 500,
    "write_expire": 5000,
    "writes_starved": 2,
    "front_merges": 1,
    "fifo_batch": 16,
    "prio_aging_expire": 10000,
    "async_depth": 256,
}
# bfq's: the lengths of its queues are its own affair.
BFQ = {
    "back_seek_max": 16384,
    "back_seek_penalty": 2,
    "fifo_expire_async": 250,
    "fifo_expire_sync": 125,
    "low_latency": 1,
    "max_budget": 0,
    "slice_idle": 8,
    "slice_idle_us": 8000,
    "strict_guarantees": 0,
    "timeout_sync": 124,
}
OPTIONS: dict[str, dict[str, object]] = {"mq-deadline": {**MQ_DEADLINE}, "bfq": {**BFQ}}
# How long a read may wait behind written data before writing is throttled, on a disk that does not
# turn.
WBT_US = 2000
ARRAY = "md0"
ARRAY_SLAVES = ("nvme0n1p2", "nvme1n1p2")
GPUS = 8
# The one whose riser has come loose: half of its lanes are gone.
LOOSE_GPU = 5

_DEVICES = "/sys/devices"
_PCI = "/sys/bus/pci/devices"


def build_disks(files: Files) -> None:
    """Write every disk's directory, its links and its queue."""
    for sequence, disk in enumerate(DISKS, start=1):
        here = f"{_DEVICES}/{disk.pci}/{disk.below}/{disk.name}"
        _build_disk(files, here, disk.name, disk.sectors, sequence)
        files.put_all(
            f"{here}/queue",
            {
                "scheduler": disk.scheduler,
                "read_ahead_kb": disk.read_ahead_kib,
                "nr_requests": disk.nr_requests,
                "rq_affinity": 1,
                "wbt_lat_usec": WBT_US,
            },
        )
        if "[mq-deadline]" in disk.scheduler:
            files.put_all(f"{here}/queue/iosched", {**MQ_DEADLINE})
        files.link(f"{here}/device", disk.up)
        device = posixpath.normpath(f"{here}/{disk.up}")
        _build_controller(files, disk, device)
        # What tells it after a reboot: NVMe says it of the disk, SCSI of the device behind it.
        if disk in NVME:
            files.put(f"{here}/wwid", f"eui.3634473052600{sequence:03d}0025384300000001")
        else:
            files.put(f"{device}/wwid", "naa.55cd2e4150a4c1f7")
    _build_array(files, len(DISKS) + 1)


def _build_disk(files: Files, here: str, name: str, sectors: int, sequence: int) -> None:
    files.put_all(
        here,
        {
            "size": sectors,
            "diskseq": sequence,
            "dev": f"{8 if name == 'sda' else 259}:{sequence}",
            "ro": 0,
            "removable": 0,
            "hidden": 0,
        },
    )
    files.put_all(
        f"{here}/queue",
        {
            "rotational": 0,
            "logical_block_size": SECTOR,
            "physical_block_size": 4096,
            "hw_sector_size": SECTOR,
            "max_sectors_kb": 128,
            "max_hw_sectors_kb": 128,
            "minimum_io_size": 4096,
            "optimal_io_size": 0,
            "write_cache": "write through",
            "nomerges": 0,
            "iostats": 1,
        },
    )
    for directory in ("slaves", "holders"):
        files.path(f"{here}/{directory}").mkdir()
    files.link_to(f"/sys/block/{name}", here)
    files.link_to(f"/sys/class/block/{name}", here)


def _build_controller(files: Files, disk: MadeUpDisk, device: str) -> None:
    pci = f"{_DEVICES}/{disk.pci}"
    files.put(f"{pci}/numa_node", str(disk.node))
    address = _connect(files, pci)
    if disk in NVME:
        _build_link(files, pci, lanes=4, speed="16.0 GT/s PCIe")
    files.put_all(pci, {"vendor": "0x144d" if disk in NVME else "0x8086", "class": "0x010802"})
    files.put(f"{device}/model", f"{disk.model:<40}")
    if disk in NVME:
        files.put_all(device, {"numa_node": disk.node, "state": "live", "transport": "pcie"})
        files.link(f"{device}/device", f"../../../{address}")


def _connect(files: Files, pci: str) -> str:
    """List a device on the bus; its address."""
    address = pci.rsplit("/", 1)[-1]
    files.link_to(f"{_PCI}/{address}", pci)
    return address


def _build_link(files: Files, pci: str, *, lanes: int, speed: str, held: int = 0) -> None:
    """Both ends of a device's link: its own, and the port's above it, which is on the bus too."""
    port = pci.rpartition("/")[0]
    _connect(files, port)
    files.put_all(port, {"class": "0x060400", "vendor": "0x8086"})
    for end in (pci, port):
        files.put_all(
            end,
            {
                "current_link_width": held or lanes,
                "max_link_width": lanes,
                "current_link_speed": speed,
                "max_link_speed": speed,
            },
        )


def _build_array(files: Files, sequence: int) -> None:
    here = f"{_DEVICES}/virtual/block/{ARRAY}"
    _build_disk(files, here, ARRAY, NVME[0].sectors // 2, sequence)
    # Linux 6.8 gives an array neither a scheduler nor nr_requests: the files are not there.
    files.put(f"{here}/queue/read_ahead_kb", "4096")
    files.put_all(f"{here}/md", {"level": "raid0", "raid_disks": len(ARRAY_SLAVES)})
    for disk in NVME:
        for number, share in ((1, 3), (2, 1)):
            _build_partition(files, disk, number, disk.sectors * share // 4)
    for slave in ARRAY_SLAVES:
        partition = _partition(next(disk for disk in NVME if slave.startswith(disk.name)), slave)
        files.link_to(f"{here}/slaves/{slave}", partition)
        files.link_to(f"{partition}/holders/{ARRAY}", here)


def _partition(disk: MadeUpDisk, name: str) -> str:
    return f"{_DEVICES}/{disk.pci}/{disk.below}/{disk.name}/{name}"


def _build_partition(files: Files, disk: MadeUpDisk, number: int, sectors: int) -> None:
    """The first partition holds models, the second scratch space: two of those make the array."""
    name = f"{disk.name}p{number}"
    here = _partition(disk, name)
    files.put_all(here, {"partition": number, "size": sectors, "ro": 0})
    files.path(f"{here}/holders").mkdir()
    files.link_to(f"/sys/class/block/{name}", here)


def build_gpus(files: Files) -> None:
    """Write eight H100: on the PCI bus, and as NVIDIA's driver tells of them."""
    files.put(
        "/proc/driver/nvidia/version",
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.127.05  Release Build",
    )
    for number in range(GPUS):
        node = number * 2 // GPUS
        bus = 0x18 + 0x10 * number
        address = f"0000:{bus + 1:02x}:00.0"
        pci = f"{_DEVICES}/pci0000:{bus:02x}/0000:{bus:02x}:01.1/{address}"
        files.put_all(
            pci,
            {"vendor": "0x10de", "device": "0x2330", "class": "0x030200", "numa_node": node},
        )
        _connect(files, pci)
        _build_link(
            files, pci, lanes=16, speed="32.0 GT/s PCIe", held=8 if number == LOOSE_GPU else 16
        )
        files.put(
            f"/proc/driver/nvidia/gpus/{address}/information",
            "Model: \t\t NVIDIA H100 80GB HBM3\n"
            f"Bus Location: \t {address}\nDevice Minor: \t {number}",
        )
