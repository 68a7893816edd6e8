// Signs webhook deliveries with the providers' own packages, as their senders do. Prints a JSON list, as webhooks_sign.py does.
import { sign } from "@octokit/webhooks-methods";
import { Webhook } from "standardwebhooks";
import Stripe from "stripe";

const text = "a-secret-that-packages-sign-with";
const whsec = "whsec_" + Buffer.from("twenty-four-bytes-or-so!").toString("base64");
const event = JSON.stringify({ id: "evt_node", type: "customer.created", name: "Zo\u00eb" });

const delivery = (name, provider, secret, proof, more = {}) => ({
  package: name,
  provider,
  secret,
  target: `/sdk/${name}`,
  signed: Object.keys(proof),
  headers: { ...proof, ...more, "content-type": "application/json" },
  body: event,
});

const now = new Date();
console.log(
  JSON.stringify([
    delivery(
      "npm-octokit",
      "github",
      text,
      { "x-hub-signature-256": await sign(text, event) },
      { "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958", "x-github-event": "ping" },
    ),
    delivery("npm-standardwebhooks", "standard_webhooks", whsec, {
      "webhook-id": "msg_node",
      "webhook-timestamp": String(Math.floor(now.getTime() / 1000)),
      "webhook-signature": new Webhook(whsec).sign("msg_node", now, event),
    }),
    delivery("npm-stripe", "stripe", text, {
      "stripe-signature": Stripe.webhooks.generateTestHeaderString({ payload: event, secret: text }),
    }),
  ]),
);
