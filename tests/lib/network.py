"""Machines with a network between them that a test can cut: namespaces of its own, a TUN device in each,
and a thread that carries the packets, or not. No packet leaves this machine.

Makes namespaces, so it needs CAP_SYS_ADMIN and CAP_NET_ADMIN, /dev/net/tun and the `ip` program.
"""
import ctypes
import fcntl
import heapq
import ipaddress
import os
import random
import select
import struct
import subprocess
import threading
import time

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 1, 0x1000
SELF = "/proc/thread-self/ns/net"
MTU = 9000
libc = ctypes.CDLL(None, use_errno=True)


def setns(namespace):
    if libc.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def unshare():
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def lacks():
    """What is missing to make a network, or None."""
    try:
        here = os.open(SELF, os.O_RDONLY)
        try:
            unshare()
            os.close(make_device("127.0.0.2"))
        finally:
            setns(here)
            os.close(here)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"the right to make network namespaces and TUN devices ({error})"
    return None


def make_device(address):
    """In this thread's namespace, which is new."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", b"wire", IFF_TUN | IFF_NO_PI))
        for words in (f"addr add {address}/24 dev wire", f"link set wire mtu {MTU} up",
                      "link set lo up"):
            subprocess.run(["ip", *words.split()], check=True, capture_output=True)
    except BaseException:
        os.close(device)
        raise
    return device


class Network:
    """The thread that makes it, and threads and processes that it starts later, are on the first of the
    machines until `close`."""

    def __init__(self, *addresses):
        self.outside = os.open(SELF, os.O_RDONLY)
        self.namespaces, self.devices = {}, {}
        for address in addresses:
            unshare()
            self.namespaces[address] = os.open(SELF, os.O_RDONLY)
            self.devices[address] = make_device(address)
        self.first = addresses[0]
        self.cuts, self.delay_s, self.loss = set(), 0.0, 0.0
        self.random = random.Random(int(os.environ.get("QUIRE_TEST_SEED", "1")))
        self.closing, self.wake = os.pipe()
        setns(self.namespaces[self.first])
        self.carrier = threading.Thread(target=self.carry, daemon=True)
        self.carrier.start()

    def on(self, address, start):
        """Calls it on that machine."""
        setns(self.namespaces[address])
        try:
            return start()
        finally:
            setns(self.namespaces[self.first])

    def cut(self, source, target, both=True):
        """Packets from one to the other vanish."""
        self.cuts = self.cuts | ({(source, target), (target, source)} if both else {(source, target)})

    def heal(self):
        self.cuts, self.delay_s, self.loss = set(), 0.0, 0.0

    def carry(self):
        by_packed = {ipaddress.ip_address(address).packed: (address, device)
                     for address, device in self.devices.items()}
        late, number = [], 0
        while True:
            wait = max(late[0][0] - time.monotonic(), 0) if late else None
            ready, _, _ = select.select([self.closing, *self.devices.values()], [], [], wait)
            if self.closing in ready:
                return
            for device in ready:
                try:
                    packet = os.read(device, 65536)
                except BlockingIOError:
                    continue
                source, target = by_packed.get(packet[12:16]), by_packed.get(packet[16:20])
                if packet[0] >> 4 != 4 or source is None or target is None or \
                        (source[0], target[0]) in self.cuts or \
                        (self.loss and self.random.random() < self.loss):
                    continue
                if self.delay_s:
                    number += 1
                    heapq.heappush(late, (time.monotonic() + self.delay_s, number, target[1], packet))
                else:
                    self.put(target[1], packet)
            while late and late[0][0] <= time.monotonic():
                _, _, device, packet = heapq.heappop(late)
                self.put(device, packet)

    @staticmethod
    def put(device, packet):
        try:
            os.write(device, packet)
        except OSError:
            pass  # lost, as in a queue that is full

    def close(self):
        setns(self.outside)
        os.close(self.wake)
        self.carrier.join()
        for descriptor in (self.outside, self.closing, *self.namespaces.values(),
                           *self.devices.values()):
            os.close(descriptor)
