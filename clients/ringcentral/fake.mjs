// What the programs here share: the fake platform's controls, a receiver of webhooks, patience.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';

export const url = process.env.FAKE_URL;
export const filters = ['/restapi/v1.0/account/~/telephony/sessions'];

/// Asks for something under /fake/.
export async function control(path, body) {
  const options = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
  const response = await fetch(`${url}/fake/${path}`, options);
  assert.equal(response.status, 200, `${path}: ${await response.clone().text()}`);
  return response.json();
}

/// The app, and the first account's administrator.
export async function credentials() {
  const { clientId, clientSecret, accounts } = await control('accounts');
  return { clientId, clientSecret, accountId: accounts[0].accountId, jwt: accounts[0].users[0].jwt };
}

/// A webhook that takes whatever is posted.
export async function receiver() {
  const received = { events: [], handshakes: 0, tokens: new Set() };
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => (text += chunk));
    request.on('end', () => {
      received.tokens.add(request.headers['verification-token']);
      const validation = request.headers['validation-token'];
      if (validation !== undefined) {
        received.handshakes += 1;
        response.setHeader('Validation-Token', validation);
      } else {
        received.events.push(JSON.parse(text));
      }
      response.setHeader('Content-Type', 'application/json');
      response.end();
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  received.address = `http://127.0.0.1:${server.address().port}/hook`;
  received.close = () => {
    server.closeAllConnections();
    server.close();
  };
  return received;
}

/// Looks until something is so.
export async function eventually(what, look) {
  for (const begun = Date.now(); Date.now() - begun < 20_000; ) {
    if (await look()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail(`${what}: not within 20 s`);
}

/// A notification's place in its session, whichever subscription told it.
export const place = (event) => `${event.body.telephonySessionId} ${event.body.sequence}`;

/// Whether events tell all of a transfer, from its first Setup to its last Disconnected.
export function tellTransfer(events, truth) {
  const changes = events.filter((event) => truth.sessions.includes(event.body.telephonySessionId));
  const status = (event) => event.body.parties[0].status;
  const moved = changes.filter((event) => status(event).code === 'Gone' && status(event).reason === 'AttendedTransfer');
  const open = new Set(changes.map((event) => event.body.parties[0].id));
  changes.forEach((event) => ['Disconnected', 'Gone'].includes(status(event).code) && open.delete(event.body.parties[0].id));
  const sequences = changes.filter((event) => event.body.telephonySessionId === truth.id).map((event) => event.body.sequence);
  return moved.length === 2 && open.size === 0 && Math.min(...sequences) === 2 && Math.max(...sequences) === sequences.length + 1;
}
