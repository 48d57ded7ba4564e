#!/usr/bin/python
# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate
short_description: Install the gateway's TLS certificate
version_added: 0.1.0
description:
  - Installs a certificate and its key in the file that the gateway's nginx reads. The file is replaced atomically.
  - Nginx must be reloaded afterwards. Playbooks use role C(vizgate.gateway.certificate), which does this.
extends_documentation_fragment:
  - vizgate.gateway.gateway
options:
  provider:
    description:
      - C(files) installs I(chain) and I(key), which must match and must not be expired.
      - C(selfsigned) generates a certificate for I(names), and renews it 30 days before it expires.
      - C(acme) does the same if there is no certificate, until a certificate from an ACME server replaces it.
    type: str
    choices: [selfsigned, files, acme]
    required: true
  names:
    description: Host names and IP addresses of the certificate (subject alternative names).
    type: list
    elements: str
    default: []
  chain:
    description: The server certificate followed by the intermediate certificates, in PEM format.
    type: str
    default: ''
  key:
    description: The private key in PEM format, without a passphrase.
    type: str
    default: ''
  validate_only:
    description: Whether to validate the other options only. Does not need openssl.
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
  description: Names of the certificate; in check mode those of the current one.
  returned: if there is a certificate
  type: list
  elements: str
  sample: [gate.example.org]
ends:
  description: Expiry time.
  returned: if there is a certificate
  type: str
  sample: Jan  1 00:00:00 2027 GMT
self_signed:
  description: Whether the certificate is self-signed, so that browsers warn about it.
  returned: if there is a certificate
  type: bool
ocsp:
  description: Whether the certificate names an OCSP responder.
  returned: if there is a certificate
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
    desired = {key: module.params[key] for key in ("provider", "names", "chain", "key")}
    if module.params["validate_only"]:
        _module.attempt(module, lambda: certificates.validate(**desired))
        module.exit_json(changed=False)
    before = _module.attempt(module, lambda: certificates.look(path))
    text = _module.attempt(module, lambda: certificates.coming(path, **desired))
    if text is not None and not module.check_mode:
        _module.attempt(module, lambda: certificates.install(path, text))
    after = _module.attempt(module, lambda: certificates.look(path))
    module.exit_json(
        changed=text is not None,
        diff={"before": _describe(before), "after": _describe(after)},
        **(dataclasses.asdict(after) if after else {}),
    )


def _describe(certificate: certificates.Certificate | None) -> str:
    if certificate is None:
        return ""
    signed = ", self-signed" if certificate.self_signed else ""
    return f"certificate for {', '.join(certificate.names)} until {certificate.ends}{signed}\n"


if __name__ == "__main__":
    main()
