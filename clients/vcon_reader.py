"""Reads vCons, one a line, as PyPI's vcon does, and prints for each, as JSON, what that finds wrong.

A signed one is verified first, by joserfc, with the certificate that it names, and by vcon where that can."""

import base64
import json
import logging
import sys
import warnings

warnings.simplefilter("ignore")

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey
from vcon import Vcon

logging.disable(logging.CRITICAL)
KINDS = {"RS256": RSAKey, "ES256": ECKey, "EdDSA": OKPKey}


def verified(line):
    """What a signed vCon holds, once its signature is verified."""
    signed = json.loads(line)
    (signature,) = signed["signatures"]
    certificate = x509.load_der_x509_certificate(base64.b64decode(signature["header"]["x5c"][0]))
    public = certificate.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    algorithm = json.loads(base64.urlsafe_b64decode(signature["protected"] + "=="))["alg"]
    # The draft adds `uuid` to the names of RFC 7515.
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    found = jws.deserialize_json(signed, KINDS[algorithm].import_key(pem), registry=registry)
    if isinstance(public, RSAPublicKey):
        assert Vcon.build_from_json(line).verify(public), "vcon does not verify it"
    vcon = json.loads(found.payload)
    assert signature["header"]["uuid"] == vcon["uuid"]
    return json.dumps(vcon), algorithm


for line in sys.stdin:
    algorithm = None
    try:
        if "signatures" in json.loads(line):
            line, algorithm = verified(line)
        errors = Vcon.build_from_json(line).is_valid()[1]
    except Exception as error:
        errors = [f"{type(error).__name__}: {error}"]
    print(json.dumps({"errors": errors, "algorithm": algorithm}))
