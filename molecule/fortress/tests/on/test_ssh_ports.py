"""A user's program with the name of the SSH server neither stops the converge nor opens its port."""

from __future__ import annotations


def test_a_users_sshd_is_none(host, reached):
    listener = host.check_output("ss -Htlnp sport = :7778")
    assert '"sshd"' in listener, "the converge has met it"
    assert not reached(7778)
