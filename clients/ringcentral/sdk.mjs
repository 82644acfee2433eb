// @ringcentral/sdk and @ringcentral/subscriptions against the fake platform.
import assert from 'node:assert/strict';
import { SDK } from '@ringcentral/sdk';
import { Subscriptions } from '@ringcentral/subscriptions';
import { control, credentials, eventually, filters, place, receiver, tellTransfer, url } from './fake.mjs';

const { clientId, clientSecret, accountId, jwt } = await credentials();
const sdk = new SDK({ server: url, clientId, clientSecret, handleRateLimit: true });
const platform = sdk.platform();
const get = async (path, query) => (await platform.get(path, query)).json();

// Log in; somebody else's JWT does not.
await assert.rejects(new SDK({ server: url, clientId, clientSecret }).login({ jwt: 'forged' }), /Invalid resource owner/);
await platform.login({ jwt });
assert.equal(String((await get('/restapi/v1.0/account/~')).id), accountId);
const extensions = await get('/restapi/v1.0/account/~/extension', { type: 'User', perPage: 10 });
assert.equal(extensions.records.length, 10);
assert.ok(extensions.paging.totalPages > 1 && extensions.navigation.lastPage.uri.startsWith(url));

// Subscribe by webhook and by WebSocket.
const webhook = await receiver();
const deliveryMode = { transportType: 'WebHook', address: webhook.address, verificationToken: 'let-me-in' };
const subscribe = async (mode) =>
  (await platform.post('/restapi/v1.0/subscription', { eventFilters: filters, deliveryMode: mode, expiresIn: 3600 })).json();
const subscription = await subscribe(deliveryMode);
assert.deepEqual([subscription.status, webhook.handshakes, [...webhook.tokens]], ['Active', 1, ['let-me-in']]);
assert.deepEqual(subscription.eventFilters, [filters[0].replace('~', accountId)]);
await assert.rejects(subscribe({ ...deliveryMode, address: `${url}/restapi` }), /WebHook is not valid/);

const byWebSocket = [];
const subscriptions = new Subscriptions({ sdk });
const live = subscriptions.createSubscription();
live.setEventFilters(filters).on(live.events.notification, (event) => byWebSocket.push(event));
await live.register();

// A simulated transfer, told to both.
const { truths: [transfer] } = await control('play', { scenario: 'attended' });
await eventually('the transfer is told by webhook', () => tellTransfer(webhook.events, transfer));
await eventually('and by WebSocket', () => tellTransfer(byWebSocket, transfer));
assert.deepEqual(byWebSocket.map(place).sort(), webhook.events.map(place).sort());
assert.ok(webhook.events.every((event) => event.subscriptionId === subscription.id));

// The call log, page by page.
for (const scenario of ['inbound', 'queue_in_turn', 'missed', 'outbound']) await control('play', { scenario });
await control('advance', { seconds: 600 });
const records = [];
let page = await get('/restapi/v1.0/account/~/call-log', { view: 'Detailed', perPage: 2 });
for (;;) {
  records.push(...page.records);
  if (!page.navigation.nextPage) break;
  page = await get(page.navigation.nextPage.uri);
}
assert.equal(page.paging.totalPages, undefined);
assert.equal(new Set(records.map((record) => record.id)).size, records.length);
assert.ok(records.length >= 6, `${records.length} records`);
assert.deepEqual(transfer.sessions.filter((id) => records.some((record) => record.telephonySessionId === id)), transfer.sessions);
const moved = records.find((record) => record.telephonySessionId === transfer.id);
assert.ok(transfer.sessions.includes((moved.transferTarget ?? moved.transferee).telephonySessionId));

// Synchronization: everything, then only what is new.
const full = await get('/restapi/v1.0/account/~/call-log-sync', { syncType: 'FSync', recordCount: 250, view: 'Detailed' });
assert.equal(full.records.length, records.length);
const { truths: [later] } = await control('play', { scenario: 'inbound' });
await control('advance', { seconds: 600 });
const token = full.syncInfo.syncToken;
const changes = await get('/restapi/v1.0/account/~/call-log-sync', { syncType: 'ISync', syncToken: token });
assert.deepEqual(changes.records.map((record) => record.telephonySessionId), [later.id]);

// A 429, and what comes after it.
let refused = 0;
platform.on(platform.events.rateLimitError, () => (refused += 1));
for (let nth = 0; nth < 12; nth += 1) await get('/restapi/v1.0/account/~/active-calls');
assert.ok(refused >= 1 && (await control('counts')).rateLimitViolations >= 1);

// Tokens are renewed when they are no longer taken, and revoked.
await control('expire-tokens', {});
assert.equal((await get(`/restapi/v1.0/subscription/${subscription.id}`)).status, 'Active');
await platform.delete(`/restapi/v1.0/subscription/${subscription.id}`);
const { access_token: access } = await platform.auth().data();
await platform.logout();
const afterwards = await fetch(`${url}/restapi/v1.0/account/~`, { headers: { Authorization: `Bearer ${access}` } });
assert.equal((await afterwards.json()).errors[0].errorCode, 'OAU-149');
webhook.close();
console.log('ok');
process.exit(0);
