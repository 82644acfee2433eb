// A receiver of webhooks: verifies each with the official Standard Webhooks library and prints what it was told.
//
// receiver.mjs SECRET [PORT]: prints the port first, then one line of JSON for each request.

import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

const [secret, port] = process.argv.slice(2);
const webhook = new Webhook(secret);

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
