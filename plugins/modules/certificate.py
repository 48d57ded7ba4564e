#!/usr/bin/python
# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate
short_description: Give the gateway a certificate
version_added: 0.2.0
description:
  - Puts a certificate with its key where the gateway's nginx reads both, in one file that is replaced at once.
  - Role C(vizgate.gateway.certificate) is what playbooks use; nginx has to be reloaded afterwards.
extends_documentation_fragment:
  - vizgate.gateway.gateway
options:
  provider:
    description:
      - C(files) takes I(chain) and I(key), which have to belong together and must not have ended.
      - C(selfsigned) makes a certificate for I(names), and another one 30 days before it ends.
      - C(acme) does the same where there is no certificate at all, until that of an authority takes its place.
    type: str
    choices: [selfsigned, files, acme]
    required: true
  names:
    description: Host names and IP addresses that the certificate is for.
    type: list
    elements: str
    default: []
  chain:
    description: The server's certificate and those of the authorities between, in PEM.
    type: str
    default: ''
  key:
    description: The server's key in PEM, without a passphrase.
    type: str
    default: ''
  validate_only:
    description: Whether to refuse what no certificate can be made of, and nothing else; needs no openssl.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Use the computing centre's certificate
  vizgate.gateway.certificate:
    provider: files
    chain: "{{ lookup('ansible.builtin.file', 'gate.example.org.pem') }}"
    key: "{{ vault_gate_key }}"
"""

RETURN = r"""
names:
  description: What the certificate is for; in check mode that of before.
  returned: where there is a certificate
  type: list
  elements: str
  sample: [gate.example.org]
ends:
  description: When it ends.
  returned: where there is a certificate
  type: str
  sample: Jan  1 00:00:00 2027 GMT
self_signed:
  description: Whether browsers will warn of it.
  returned: where there is a certificate
  type: bool
ocsp:
  description: Whether its authority answers OCSP requests.
  returned: where there is a certificate
  type: bool
"""

import dataclasses

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.vizgate.gateway.plugins.module_utils import _module
from ansible_collections.vizgate.gateway.plugins.module_utils._core.host import certificates


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_module.ROOT,
            "provider": {"type": "str", "choices": ["selfsigned", "files", "acme"], "required": True},
            "names": {"type": "list", "elements": "str", "default": []},
            "chain": {"type": "str", "default": ""},
            "key": {"type": "str", "default": "", "no_log": True},
            "validate_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    path = _module.Paths(module.params["root"]).certificate
    wanted = {key: module.params[key] for key in ("provider", "names", "chain", "key")}
    if module.params["validate_only"]:
        _module.attempt(module, lambda: certificates.validate(**wanted))
        module.exit_json(changed=False)
    before = _module.attempt(module, lambda: certificates.look(path))
    text = _module.attempt(module, lambda: certificates.coming(path, **wanted))
    if text is not None and not module.check_mode:
        _module.attempt(module, lambda: certificates.install(path, text))
    after = _module.attempt(module, lambda: certificates.look(path))
    module.exit_json(
        changed=text is not None,
        diff={"before": _told(before), "after": _told(after)},
        **(dataclasses.asdict(after) if after else {}),
    )


def _told(certificate: certificates.Certificate | None) -> str:
    if certificate is None:
        return ""
    signed = ", self-signed" if certificate.self_signed else ""
    return f"certificate for {', '.join(certificate.names)} until {certificate.ends}{signed}\n"


if __name__ == "__main__":
    main()
