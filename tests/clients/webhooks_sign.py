"""Signs webhook deliveries with the providers' own packages, as their senders do.

    webhooks_sign.py BASE_URL

Prints a JSON list of deliveries: package, provider, secret, target, signed (names of the header fields that prove the body), headers, body.
"""

import base64
import datetime
import json
import sys
import time
import urllib.parse

import slack_sdk.signature
import standardwebhooks
import stripe
import svix
from twilio.request_validator import RequestValidator

TEXT = "a-secret-that-packages-sign-with"
WHSEC = "whsec_" + base64.b64encode(b"twenty-four-bytes-or-so!").decode()
EVENT = '{"id":"evt_python","type":"customer.created","name":"Zo\u00eb"}'


def delivery(package, provider, secret, headers, body, target=None, kind="application/json"):
    return {
        "package": package,
        "provider": provider,
        "secret": secret,
        "target": target or f"/sdk/{package}",
        "signed": list(headers),
        "headers": {**headers, "content-type": kind},
        "body": body,
    }


def main(base_url):
    now = datetime.datetime.now(datetime.timezone.utc)
    at = str(int(time.time()))
    yield delivery(
        "pypi-stripe",
        "stripe",
        TEXT,
        {"stripe-signature": stripe.WebhookSignature.generate_signature_header(EVENT, TEXT)},
        EVENT,
    )
    for package, provider, prefix, sender in [
        ("pypi-standardwebhooks", "standard_webhooks", "webhook", standardwebhooks.Webhook(WHSEC)),
        ("pypi-svix", "svix", "svix", svix.Webhook(WHSEC)),
    ]:
        headers = {
            f"{prefix}-id": "msg_python",
            f"{prefix}-timestamp": str(int(now.timestamp())),
            f"{prefix}-signature": sender.sign("msg_python", now, EVENT),
        }
        yield delivery(package, provider, WHSEC, headers, EVENT)
    form = "token=x&command=%2Fdeploy&text=the+site&trigger_id=13345224609.738474920"
    verifier = slack_sdk.signature.SignatureVerifier(TEXT)
    headers = {
        "x-slack-request-timestamp": at,
        "x-slack-signature": verifier.generate_signature(timestamp=at, body=form),
    }
    yield delivery("pypi-slack_sdk", "slack", TEXT, headers, form, kind="application/x-www-form-urlencoded")

    validator = RequestValidator(TEXT)
    fields = {"From": "+15550100", "Body": "h\u00e9llo & bye", "MessageSid": "SM1", "Empty": ""}
    target = "/sdk/pypi-twilio?from=here&x=%20"
    headers = {"x-twilio-signature": validator.compute_signature(base_url + target, fields)}
    body = urllib.parse.urlencode(fields)
    yield delivery("pypi-twilio", "twilio", TEXT, headers, body, target, "application/x-www-form-urlencoded")
    target = "/sdk/pypi-twilio-json?bodySHA256=" + validator.compute_hash(EVENT)
    headers = {"x-twilio-signature": validator.compute_signature(base_url + target, {})}
    yield delivery("pypi-twilio-json", "twilio_json", TEXT, headers, EVENT, target)


print(json.dumps(list(main(sys.argv[1]))))
