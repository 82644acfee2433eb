// @rc-ex/core and @rc-ex/ws against the fake platform.
import assert from 'node:assert/strict';
import RingCentral from '@rc-ex/core';
import WebSocketExtension from '@rc-ex/ws';
import { control, credentials, eventually, filters, receiver, tellTransfer, url } from './fake.mjs';

const { clientId, clientSecret, accountId, jwt } = await credentials();
const rc = new RingCentral({ server: url, clientId, clientSecret });
await rc.authorize({ jwt });
assert.equal(String((await rc.restapi().account().get()).id), accountId);

/// Asks again when the platform says to wait.
let refused = 0;
async function patiently(ask) {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (error.response?.status !== 429) throw error;
      assert.equal(error.response.data.errors[0].errorCode, 'CMN-301');
      refused += 1;
      await new Promise((resolve) => setTimeout(resolve, 1000 * Number(error.response.headers['retry-after'])));
    }
  }
}

// Subscribe by webhook and by WebSocket.
const webhook = await receiver();
const subscription = await rc.restapi().subscription().post({
  eventFilters: filters,
  deliveryMode: { transportType: 'WebHook', address: webhook.address },
});
assert.equal(subscription.status, 'Active');
const gateway = new WebSocketExtension();
await rc.installExtension(gateway);
const byWebSocket = [];
await gateway.subscribe(filters, (event) => byWebSocket.push(event));

// A simulated transfer, while the WebSocket is lost and comes back.
const { truths: [transfer] } = await control('play', { scenario: 'attended' });
await eventually('the transfer begins', () => byWebSocket.length > 2);
assert.deepEqual(await control('drop-websockets', {}), { dropped: 1 });
await eventually('the transfer is told by webhook', () => tellTransfer(webhook.events, transfer));
await eventually('and by WebSocket, with what was missed', () => tellTransfer(byWebSocket, transfer));
assert.equal(gateway.connectionDetails.recoveryState, 'Successful');

// The call log by pages, and what has changed.
for (const scenario of ['inbound', 'menu', 'voicemail']) await control('play', { scenario });
await control('advance', { seconds: 600 });
const log = rc.restapi().account().callLog();
const records = [];
for (let page = 1; ; page += 1) {
  const list = await patiently(() => log.list({ view: 'Detailed', perPage: 2, page }));
  records.push(...list.records);
  if (!list.navigation.nextPage) break;
}
assert.ok(transfer.sessions.every((id) => records.some((record) => record.telephonySessionId === id)));
assert.ok(records.some((record) => record.result === 'Voicemail'));
const sync = (query) => patiently(() => rc.restapi().account().callLogSync().get(query));
const full = await sync({ syncType: 'FSync', recordCount: 250 });
assert.equal(full.records.length, records.length);
const nothing = await sync({ syncType: 'ISync', syncToken: full.syncInfo.syncToken });
assert.deepEqual(nothing.records, []);
await control('reset-call-log', {});
await assert.rejects(sync({ syncType: 'ISync', syncToken: full.syncInfo.syncToken }), /call log was reset/);

// A 429, and what comes after it.
for (let nth = 0; nth < 12; nth += 1) await patiently(() => rc.restapi().account().activeCalls().get());
assert.ok(refused >= 1);

// A blacklisted subscription says why; a new token replaces the old.
await control('blacklist', { subscription: subscription.id });
const listed = await rc.restapi().subscription(subscription.id).get();
assert.equal(listed.status, 'Blacklisted');
const before = rc.token.refresh_token;
await rc.refresh();
assert.notEqual(rc.token.refresh_token, before);
await gateway.revoke();
await rc.revoke();
webhook.close();
console.log('ok');
process.exit(0);
