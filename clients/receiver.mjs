// A receiver of webhooks: verifies each and prints what it was told. `v1` (a secret, whsec_…) is verified by the official
// Standard Webhooks library, `v1a` (a public key, whpk_…), which it does not know, by Node's own Ed25519.
//
// receiver.mjs SECRET [PORT]: prints the port first, then one line of JSON for each request.

import { createPublicKey, verify } from "node:crypto";
import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

const [secret, port] = process.argv.slice(2);
const TOLERANCE_S = 300;

/** Verifies `v1a` as Standard Webhooks 1.0 has it. */
class PublicKeyWebhook {
  constructor(text) {
    const x = Buffer.from(text.slice("whpk_".length), "base64").toString("base64url");
    this.key = createPublicKey({ format: "jwk", key: { kty: "OKP", crv: "Ed25519", x } });
  }

  verify(body, headers) {
    const [id, time, signatures] = ["id", "timestamp", "signature"].map((name) => headers[`webhook-${name}`]);
    if (!(Math.abs(Date.now() / 1000 - Number(time)) <= TOLERANCE_S)) throw new Error("sent too long ago, or not yet");
    const signed = Buffer.concat([Buffer.from(`${id}.${time}.`), body]);
    const isOurs = (signature) => {
      const [version, value] = signature.split(",");
      return version === "v1a" && verify(null, signed, this.key, Buffer.from(value, "base64"));
    };
    if (!signatures?.split(" ").some(isOurs)) throw new Error("no signature fits");
    return JSON.parse(body);
  }
}

const webhook = secret.startsWith("whpk_") ? new PublicKeyWebhook(secret) : new Webhook(secret);

const server = createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    let told;
    try {
      const event = webhook.verify(Buffer.concat(parts), request.headers);
      told = { id: request.headers["webhook-id"], event };
      response.statusCode = 204;
    } catch (error) {
      told = { error: error.message };
      response.statusCode = 401;
    }
    console.log(JSON.stringify(told));
    response.end();
  });
});
server.listen(Number(port ?? 0), "127.0.0.1", () => console.log(server.address().port));
