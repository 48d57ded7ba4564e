# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings a plan about: stage the files, let nginx check them, swap them with a journal, publish the entries. Or nothing."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping

from .. import fs
from ..errors import NotLive, NotServed
from ..paths import Paths
from . import control, nginx_check
from .change import Texts


class Publisher:
    """Changes the files of one gateway and what its nginx serves. Every method has to be called under the registry's lock."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths

    def recover(self) -> None:
        """Finishes a transaction that was cut short after it had been decided."""
        nginx_check.clear(self.paths.nginx_check)
        notes = fs.redo(self.paths.journal)
        if notes is not None:
            try:
                control.publish(self.paths.control, notes)
            except NotLive:
                pass  # nginx reads the include files when it starts
            fs.close(self.paths.journal)

    def require_live(self) -> None:
        """Raises NotServed where nginx does not run with the gateway's configuration."""
        # rolling back would need room on the disk, so better nothing is begun
        reason = self._contradiction({})
        if reason:
            raise NotServed(f"nginx does not serve, so nothing was changed: {reason}")

    def publish(
        self, files: Texts, entries: Mapping[str, str], *, keep_journal: bool = False, ending: str = fs.NEW
    ) -> str:
        """Swaps the files and publishes the entries. Returns why nginx does not serve them before a reload, or nothing.

        With `keep_journal`, the journal of what is not served stays, for that of the way back to take its place. Raises
        NginxRefused, OSError; then nothing has changed, or the journal says how to finish.
        """
        if files:
            fs.stage(files, ending)
            try:
                # what was there before goes back whatever nginx says about it
                if ending == fs.NEW:
                    maps = [path + ending for path in files if path.endswith(".map")]
                    nginx_check.check_maps(self.paths.nginx_check, maps)
            except BaseException:
                fs.unstage(files, ending)
                raise
            fs.commit(self.paths.journal, files, entries, ending)
        reason = ""
        try:
            control.publish(self.paths.control, entries)
        except NotLive as error:
            reason = str(error)
        if files and not (keep_journal and reason):
            fs.close(self.paths.journal)
        return reason

    def publish_or_roll_back(
        self, files: Texts, entries: Mapping[str, str], present: Texts, former: Mapping[str, str]
    ) -> None:
        """Does the same, but puts the files that are `present` and the `former` entries back where nginx does not serve it.

        Raises NotServed for that.
        """
        try:
            reason = self.publish(files, entries, keep_journal=True) or self._contradiction(entries)
        except OSError as error:
            if not os.path.exists(self.paths.journal):
                raise  # before anything was decided
            reason = str(error)
        if not reason:
            return
        try:
            self._roll_back(present, former)
        except OSError as error:
            raise NotServed(
                f"nginx does not serve the change yet ({reason}), and the rollback failed ({error})"
            ) from None
        for path in present:
            if path.startswith(self.paths.users):
                with contextlib.suppress(OSError):  # others' declarations are in it
                    os.rmdir(os.path.dirname(path))
        raise NotServed(f"nginx does not serve the change, so nothing was changed: {reason}")

    def _contradiction(self, entries: Mapping[str, str]) -> str:
        """Why nginx does not serve the entries that have been published, or nothing."""
        try:
            return "" if control.served(self.paths.control, list(entries)) == entries else "another change came between"
        except NotLive as error:
            return str(error)

    def _roll_back(self, files: Texts, entries: Mapping[str, str]) -> None:
        try:
            self.publish(files, entries, ending=fs.OLD)
        except OSError:
            # wherever it got to: the whole once more does no harm, and half of it would
            self.publish(files, entries, ending=fs.OLD)
