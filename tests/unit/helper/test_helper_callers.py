"""Who asks: the kernel's word, and what may be believed of the rest."""

from __future__ import annotations

import json
import os
import pwd
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.helper.conftest import OPS, Bench

from aitune_helper import callers, files, messages, state
from aitune_helper.callers import Said
from aitune_helper.messages import Caller

ME = os.getuid()
MY_NAME = pwd.getpwuid(ME).pw_name
NOBODY = pwd.getpwnam("nobody")
NOT_AN_ACCOUNT = 3_999_999_999


def of_pipe(said: Said) -> Caller:
    rfd, wfd = os.pipe()
    try:
        return callers.caller(rfd, said)
    finally:
        os.close(rfd)
        os.close(wfd)


def test_the_kernel_names_the_peer_and_when_it_started() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        found = callers.caller(theirs.fileno())
    assert (found.uid, found.attested, found.pid) == (ME, True, os.getpid())
    assert found.started == state.start_time(os.getpid()) != ""


def test_what_sudo_says_does_not_outdo_the_kernel() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        said = Said(str(NOBODY.pw_uid), NOBODY.pw_name)
        found = callers.caller(theirs.fileno(), said)
    assert (found.uid, found.attested, found.sudo) == (ME, True, "nobody")


@pytest.mark.parametrize(
    ("said", "uid", "sudo"),
    [
        (Said(str(NOBODY.pw_uid), "nobody"), NOBODY.pw_uid, "nobody"),
        (Said(str(NOBODY.pw_uid), "root"), ME, ""),
        (Said(str(NOBODY.pw_uid)), ME, ""),
        (Said(str(NOT_AN_ACCOUNT), "gone"), NOT_AN_ACCOUNT, str(NOT_AN_ACCOUNT)),
        (Said("4294967295", "x"), ME, ""),
        (Said("0x1", "x"), ME, ""),
        (Said("010", "x"), ME, ""),
        (Said("１", "x"), ME, ""),
        (Said("-1", "x"), ME, ""),
        (Said(), ME, ""),
    ],
)
def test_through_a_pipe_the_caller_is_whom_sudo_names_unattested(
    said: Said, uid: int, sudo: str
) -> None:
    found = of_pipe(said)
    assert (found.uid, found.attested, found.sudo) == (uid, False, sudo)
    assert (found.pid, found.started) == (0, "")


@pytest.mark.parametrize(
    ("connection", "address"),
    [
        ("192.0.2.7 51022 192.0.2.1 22", "192.0.2.7"),
        ("2001:DB8::1 51022 2001:db8::2 22", "2001:db8::1"),
        ("fe80::1%eth0 51022 fe80::2%eth0 22", "fe80::1"),
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2", ""),
        ("0x7f.1 1 2 3", ""),
        ("host.example 1 2 3", ""),
        ("\x1b[31m 1 2 3", ""),
        ("1.2.3.4\x00 1", ""),
        ("１.2.3.4 1", ""),
        ("", ""),
    ],
)
def test_an_address_is_one_or_is_left_out(connection: str, address: str) -> None:
    assert callers.ssh_client(connection) == address
    assert of_pipe(Said(ssh=connection)).ssh == address


@given(st.text(), st.text(), st.text())
def test_whatever_an_environment_holds_stays_short_plain_text(
    uid: str, user: str, ssh: str
) -> None:
    for value in of_pipe(Said(uid, user, ssh)):
        assert not isinstance(value, str) or (
            len(value) <= 64 and value.isascii() and (value.isprintable())
        )


def test_the_environment_is_noted_by_name() -> None:
    said = callers.said_by_sudo(
        {"SUDO_UID": "7", "SUDO_USER": "ops", "SSH_CONNECTION": "::1 1 ::1 2", "SUDO_GID": "9"}
    )
    assert said == Said("7", "ops", "::1 1 ::1 2")
    assert callers.said_by_sudo({}) == Said()


@pytest.mark.parametrize(
    ("text", "uid"),
    [
        ("1000", 1000),
        ("0\n", 0),
        ("4294967295", None),
        ("", None),
        ("-1", None),
        ("99999999999", None),
    ],
)
def test_who_logged_in(monkeypatch: pytest.MonkeyPatch, text: str, uid: int | None) -> None:
    monkeypatch.setattr(files, "read_file", lambda _path: text.encode())
    assert callers.login_uid() == uid


def test_the_kernels_own_word_on_the_login_is_read() -> None:
    text = Path("/proc/self/loginuid")
    expected = int(text.read_text()) if text.exists() else 2**32 - 1
    assert callers.login_uid() == (None if expected == 2**32 - 1 else expected)


def test_without_a_terminal_there_is_none() -> None:
    program = "from aitune_helper import callers; print(callers.terminal())"
    found = subprocess.run(
        [sys.executable, "-c", program], start_new_session=True, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert found.stdout.strip() == "None"


def test_an_account_without_a_plain_name_goes_by_its_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert callers.name_of(0) == "root"
    assert callers.name_of(NOT_AN_ACCOUNT) == str(NOT_AN_ACCOUNT)
    hostile = pwd.struct_passwd(("\x1b]0;x\x07", "", 7, 7, "", "", ""))
    monkeypatch.setattr(pwd, "getpwuid", lambda _uid: hostile)
    assert callers.name_of(7) == "7"


def test_the_journal_says_who_from_where_and_on_which_kernel(bench: Bench) -> None:
    who = OPS._replace(loginuid=1000, ssh="192.0.2.7", started="123", sudo="ops")
    trial = bench.core.apply(bench.wanted(("vm.swappiness", "", "10")), who)
    bench.core.trials.keep(trial.id, Caller(0, "root", attested=True), persist=False)
    entries = [
        json.loads(line.partition(" ")[2])
        for line in Path(bench.places.journal).read_text().splitlines()
    ]
    assert messages.from_object(Caller, entries[0]["caller"], strict=True) == who
    assert entries[-1]["caller"]["name"] == "root", "kept by another: both names are there"
    assert entries[-1]["trial"]["owner_name"] == "ops"
    assert {entry["kernel"] for entry in entries} == {os.uname().release}
