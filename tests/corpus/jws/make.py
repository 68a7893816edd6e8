"""Writes own.json anew: tokens and what a verifier must say of them, in the manner of Project Wycheproof.

Another implementation signs (OpenSSL, through `pip install cryptography`) than the one that is tested. Each run makes
new keys and keeps none. Where a table of vectors is missing a trick, add it here.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import secrets

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

HASHES = {"256": (hashes.SHA256, hashlib.sha256), "384": (hashes.SHA384, hashlib.sha384), "512": (hashes.SHA512, hashlib.sha512)}
ALGORITHMS = ["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
# RFC 8017, 9.2, note 1.
DIGEST_INFO = {
    "256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "512": bytes.fromhex("3051300d060960864801650304020305000440"),
}
CLAIMS = {
    "iss": "https://issuer.example.test/", "aud": "chat.example.test", "sub": "ada", "org_id": "acme",
    "exp": 253402300799,
}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, length=None):
    return value.to_bytes(length or (value.bit_length() + 7) // 8, "big")


class Table:
    """The tests of one algorithm."""

    def __init__(self, alg, kid, sign):
        self.alg, self.kid, self.sign, self.tests = alg, kid, sign, []

    def head(self, **members):
        header = {"alg": self.alg, "typ": "JWT", "kid": self.kid} | members
        header = {name: value for name, value in header.items() if value is not None}
        return b64(json.dumps(header).encode()) + "." + b64(json.dumps(CLAIMS).encode())

    def add(self, result, about, signature=None, signed=None):
        signed = signed or self.head()
        signature = self.sign(signed.encode()) if signature is None else signature
        self.tests.append({"about": about, "jws": f"{signed}.{b64(signature)}", "result": result})

    def bad(self, about, signature=None, signed=None):
        self.add("invalid", about, signature, signed)

    def common(self, other):
        good = self.sign(self.head().encode())
        self.add("valid", "as it should be")
        self.add("valid", "without a kid", signed=self.head(kid=None))
        self.bad("signed by another key of the kind", other(self.head().encode()))
        self.bad("the signature of another token", self.sign((self.head() + "x").encode()))
        self.bad("the first bit flipped", bytes([good[0] ^ 0x80]) + good[1:])
        self.bad("the last bit flipped", good[:-1] + bytes([good[-1] ^ 1]))
        self.bad("the last byte cut off", good[:-1])
        self.bad("the first byte cut off", good[1:])
        self.bad("half of it", good[: len(good) // 2])
        self.bad("a zero byte after it", good + b"\0")
        self.bad("a zero byte before it", b"\0" + good)
        self.bad("twice", good + good)
        self.bad("nothing", b"")
        self.bad("one zero byte", b"\0")
        self.bad("all zeros", bytes(len(good)))
        self.bad("all ones", b"\xff" * len(good))
        self.bad("backwards", good[::-1])
        for alg in ALGORITHMS + ["none", "ES512", "ES256K", "Ed25519"]:
            if alg != self.alg:
                self.bad(f"a good signature under the name {alg}", self.sign(self.head(alg=alg).encode()), self.head(alg=alg))


def hs(bits):
    plain = HASHES[bits][1]
    key = b64(secrets.token_bytes(int(bits) // 8)).encode()
    sign = lambda key: lambda data: hmac.new(key, data, plain).digest()
    table = Table(f"HS{bits}", f"hs{bits}", sign(key))
    table.common(sign(b64(secrets.token_bytes(64)).encode()))
    table.bad("keyed with nothing", sign(b"")(table.head().encode()))
    table.bad("a digest without a key", plain(table.head().encode()).digest())
    table.bad("a digest with the key before it", plain(key + table.head().encode()).digest())
    for other in HASHES:
        if other != bits:
            table.bad(f"with SHA-{other}", hmac.new(key, table.head().encode(), HASHES[other][1]).digest())
    return table, {"kty": "oct", "k": b64(key)}


def rsa_tables(bits):
    mine, others = (rsa.generate_private_key(65537, 2048) for _ in range(2))
    numbers, d = mine.public_key().public_numbers(), mine.private_numbers().d
    hash_, plain = HASHES[bits]

    def pkcs1(key, hash_=hash_):
        return lambda data: key.sign(data, padding.PKCS1v15(), hash_())

    def pss(key, hash_=hash_, mgf=None, salt=None):
        scheme = padding.PSS(padding.MGF1((mgf or hash_)()), hash_.digest_size if salt is None else salt)
        return lambda data: key.sign(data, scheme, hash_())

    def raw(encoded):
        return number(pow(int.from_bytes(encoded, "big"), d, numbers.n), 256)

    jwk = {"kty": "RSA", "n": b64(number(numbers.n)), "e": b64(number(numbers.e))}
    v15, v2 = Table(f"RS{bits}", f"rs{bits}", pkcs1(mine)), Table(f"PS{bits}", f"ps{bits}", pss(mine))
    v15.common(pkcs1(others))
    v2.common(pss(others))
    for table in (v15, v2):
        good = int.from_bytes(table.sign(table.head().encode()), "big")
        table.bad("the modulus added to it", number(good + numbers.n, 257))
        table.bad("taken from the modulus", number(numbers.n - good, 256))
        table.bad("the modulus itself", number(numbers.n))
        table.bad("one", number(1, 256))
    data = v15.head().encode()
    v15.bad("PSS under the name of PKCS #1", pss(mine)(data))
    info, digest = DIGEST_INFO[bits], plain(data).digest()
    whole = lambda content, kind=b"\x01", fill=b"\xff": b"\0" + kind + fill * (253 - len(content)) + b"\0" + content
    assert raw(whole(info + digest)) == v15.sign(data)
    bare = bytes([info[0], info[1] - 2, info[2], info[3] - 2]) + info[4:-4] + info[-2:]
    v15.bad("the digest's kind without its parameters", raw(whole(bare + digest)))
    v15.bad("the digest without its kind", raw(whole(digest)))
    v15.bad("bytes after the digest", raw(whole(info + digest + bytes(8))))
    v15.bad("short padding, and bytes after the digest (Bleichenbacher 2006)",
            raw((b"\0\x01" + b"\xff" * 8 + b"\0" + info + digest).ljust(256, b"\0")))
    v15.bad("the padding of an encryption", raw(whole(info + digest, kind=b"\x02")))
    v15.bad("padding of zeros", raw(whole(info + digest, fill=b"\0")))
    v15.bad("no block type", raw(whole(info + digest, kind=b"\0")))
    data = v2.head().encode()
    v2.bad("PKCS #1 under the name of PSS", pkcs1(mine)(data))
    v2.bad("without salt", pss(mine, salt=0)(data))
    v2.bad("with a salt one byte short", pss(mine, salt=hash_.digest_size - 1)(data))
    v2.bad("with as much salt as fits", pss(mine, salt=256 - 2 - hash_.digest_size)(data))
    for other in HASHES:
        if other != bits:
            v15.bad(f"with SHA-{other}", pkcs1(mine, HASHES[other][0])(v15.head().encode()))
            v2.bad(f"with SHA-{other}", pss(mine, HASHES[other][0])(data))
            v2.bad(f"with SHA-{other} in the mask only", pss(mine, mgf=HASHES[other][0])(data))
    return [(v15, jwk), (v2, jwk)]


def es(bits, curve, order):
    length = curve.key_size // 8
    mine, others = ec.generate_private_key(curve), ec.generate_private_key(curve)
    hash_ = HASHES[bits][0]

    def sign(key, hash_=hash_):
        def signed(data):
            r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hash_())))
            return number(r, length) + number(s, length)
        return signed

    point = mine.public_key().public_numbers()
    table = Table(f"ES{bits}", f"es{bits}", sign(mine))
    table.common(sign(others))
    data = table.head().encode()
    good = table.sign(data)
    r, s = int.from_bytes(good[:length], "big"), int.from_bytes(good[length:], "big")
    pair = lambda r, s: number(r, length) + number(s, length)
    # RFC 7518 does not ask for the smaller of the two; who may sign once may sign twice.
    table.add("valid", "with the other s", pair(r, order - s))
    table.bad("DER, as X.509 has it", mine.sign(data, ec.ECDSA(hash_())))
    table.bad("r and s the other way round", pair(s, r))
    for name, value in [("zero", 0), ("one", 1), ("the order", order), ("the order and one", order + 1),
                        ("the largest number", 256**length - 1)]:
        table.bad(f"r is {name}", pair(value, s))
        table.bad(f"s is {name}", pair(r, value))
        table.bad(f"both are {name}", pair(value, value))
    table.bad("r taken from the order", pair(order - r, s))
    table.bad("each number one byte longer", number(r, length + 1) + number(s, length + 1))
    for other in HASHES:
        if other != bits:
            table.bad(f"with SHA-{other}", sign(mine, HASHES[other][0])(data))
    jwk = {"kty": "EC", "crv": f"P-{curve.key_size}", "x": b64(number(point.x, length)), "y": b64(number(point.y, length))}
    return table, jwk


def eddsa():
    order = 2**252 + 27742317777372353535851937790883648493
    mine, others = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
    table = Table("EdDSA", "eddsa", mine.sign)
    table.common(others.sign)
    good = table.sign(table.head().encode())
    point, scalar = good[:32], int.from_bytes(good[32:], "little")
    table.bad("s grown by the order (RFC 8032, 5.1.7)", point + (scalar + order).to_bytes(32, "little"))
    table.bad("s taken from the order", point + (order - scalar).to_bytes(32, "little"))
    table.bad("s is zero", point + bytes(32))
    table.bad("the point is the neutral one, s is zero", b"\1" + bytes(63))
    table.bad("the point is the neutral one in another spelling", (2**255 - 18).to_bytes(32, "little") + bytes(32))
    table.bad("the point has the other sign", point[:31] + bytes([point[31] ^ 0x80]) + good[32:])
    table.bad("point and s the other way round", good[32:] + point)
    table.bad("over the digest instead", mine.sign(hashlib.sha512(table.head().encode()).digest()))
    return table, {"kty": "OKP", "crv": "Ed25519", "x": b64(mine.public_key().public_bytes_raw())}


def main():
    rows = [hs(bits) for bits in HASHES]
    families = [rsa_tables(bits) for bits in HASHES]
    rows += [pair[0] for pair in families] + [pair[1] for pair in families]
    rows.append(es("256", ec.SECP256R1(), 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551))
    rows.append(es("384", ec.SECP384R1(),
                   0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973))
    rows.append(eddsa())
    groups = [{"alg": table.alg, "key": jwk | {"kid": table.kid, "alg": table.alg}, "tests": table.tests} for table, jwk in rows]
    lines = []
    for group in groups:
        tests = ",\n".join("    " + json.dumps(test) for test in group["tests"])
        lines.append(f'  {{"alg": "{group["alg"]}", "key": {json.dumps(group["key"])}, "tests": [\n{tests}\n  ]}}')
    text = '{"about": "written by make.py", "groups": [\n' + ",\n".join(lines) + "\n]}\n"
    pathlib.Path(__file__).with_name("own.json").write_text(text)


main()
