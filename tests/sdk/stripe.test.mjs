// Stripe's own SDK against the simulator. STRIPE_URL and STRIPE_KEY say where; SIGNATURE is ours, to be compared.
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import Stripe from 'stripe';

const url = new URL(process.env.STRIPE_URL);
const connect = (key = process.env.STRIPE_KEY, options = {}) =>
  new Stripe(key, { host: url.hostname, port: url.port, protocol: 'http', maxNetworkRetries: 0, ...options });
const stripe = connect();

const control = (method, path, body) =>
  fetch(new URL(`/_sandbox/${path}`, url), { method, body: body && JSON.stringify(body) });

let count = 0;
const email = () => `sdk${++count}@example.com`;
const payingCustomer = (token = 'pm_card_visa') =>
  stripe.customers.create({ email: email(), name: 'Ann Lee', payment_method: token });
const monthly = (unit_amount = 1500) =>
  stripe.prices.create({ currency: 'usd', unit_amount, recurring: { interval: 'month' }, product_data: { name: 'Team' } });

test('customers: created, found by e-mail, metadata merged', async () => {
  const address = email();
  const made = await stripe.customers.create({ email: address, name: 'Zoë Ōkubo', metadata: { crm_id: '001', old: 'x' } });
  assert.match(made.id, /^cus_/);
  assert.equal(made.object, 'customer');
  assert.equal(made.lastResponse.statusCode, 200);
  assert.match(made.lastResponse.requestId, /^req_/);

  const found = await stripe.customers.list({ email: address });
  assert.deepEqual(found.data.map((customer) => customer.id), [made.id]);
  assert.equal((await stripe.customers.list({ email: address.toUpperCase() })).data.length, 0, 'e-mails are compared as sent');

  const updated = await stripe.customers.update(made.id, { metadata: { old: '', extra: '1' }, phone: '+44 20' });
  assert.deepEqual(updated.metadata, { crm_id: '001', extra: '1' });
  assert.equal(updated.name, 'Zoë Ōkubo');
});

test('a deleted customer answers with what is left of it', async () => {
  const { id } = await stripe.customers.create({ email: email() });
  assert.deepEqual((({ id, object, deleted }) => ({ id, object, deleted }))(await stripe.customers.del(id)), {
    id, object: 'customer', deleted: true,
  });
  assert.equal((await stripe.customers.retrieve(id)).deleted, true);
});

test('subscriptions: created, expanded, changed, canceled', async () => {
  const [customer, price, bigger] = await Promise.all([payingCustomer(), monthly(), monthly(4900)]);
  const made = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id, quantity: 3 }],
    expand: ['latest_invoice.payments', 'customer'],
  });
  assert.equal(made.status, 'active');
  assert.equal(made.customer.email, customer.email);
  assert.equal(made.latest_invoice.status, 'paid');
  assert.equal(made.latest_invoice.total, 4500);
  assert.equal(made.latest_invoice.payments.data[0].payment.type, 'payment_intent');
  const item = made.items.data[0];
  assert.ok(item.current_period_end > item.current_period_start);

  const changed = await stripe.subscriptions.update(made.id, {
    items: [{ id: item.id, price: bigger.id }],
    proration_behavior: 'none',
    cancel_at_period_end: true,
  });
  assert.equal(changed.items.data[0].quantity, 1, 'another price takes the quantity back to one');
  assert.equal(changed.status, 'active');
  assert.equal(changed.cancel_at_period_end, true);

  const ended = await stripe.subscriptions.cancel(made.id);
  assert.equal(ended.status, 'canceled');
  assert.equal((await stripe.subscriptions.list({ customer: customer.id })).data.length, 0);
  assert.equal((await stripe.subscriptions.list({ customer: customer.id, status: 'all' })).data.length, 1);
});

test('invoices: numbered when finalized, lines, paid', async () => {
  const customer = await payingCustomer();
  await stripe.invoiceItems.create({ customer: customer.id, amount: 700, currency: 'usd', description: 'Set-up' });
  const draft = await stripe.invoices.create({ customer: customer.id, pending_invoice_items_behavior: 'include' });
  assert.equal(draft.number, null);
  const open = await stripe.invoices.finalizeInvoice(draft.id);
  assert.match(open.number, /-0001$/);
  const paid = await stripe.invoices.pay(open.id);
  assert.equal(paid.status, 'paid');
  const read = await stripe.invoices.retrieve(open.id);
  assert.equal(read.amount_paid, 700);
  assert.equal(read.lines.data[0].description, 'Set-up');
  assert.equal((await stripe.invoices.listLineItems(open.id)).data.length, 1);
});

test('auto-paging walks every page once', async () => {
  const address = email();
  for (let n = 0; n < 7; n += 1) await stripe.customers.create({ email: address, name: `n${n}` });
  const names = [];
  for await (const customer of stripe.customers.list({ email: address, limit: 3 })) names.push(customer.name);
  assert.deepEqual(names, ['n6', 'n5', 'n4', 'n3', 'n2', 'n1', 'n0']);
  const all = await stripe.customers.list({ email: address, limit: 2 }).autoPagingToArray({ limit: 5 });
  assert.equal(all.length, 5);
});

test('events tell what happened and what it was before', async () => {
  const customer = await stripe.customers.create({ email: email(), name: 'Before' });
  await stripe.customers.update(customer.id, { name: 'After' });
  const events = await stripe.events.list({ types: ['customer.updated'], limit: 1 });
  assert.equal(events.data[0].data.object.id, customer.id);
  assert.deepEqual(events.data[0].data.previous_attributes, { name: 'Before' });
  const read = await stripe.events.retrieve(events.data[0].id);
  assert.equal(read.type, 'customer.updated');
});

test('an idempotency key gives the first result again', async () => {
  const params = { email: email() };
  const first = await stripe.customers.create(params, { idempotencyKey: 'key-1' });
  const again = await stripe.customers.create(params, { idempotencyKey: 'key-1' });
  assert.equal(again.id, first.id);
  assert.equal(again.lastResponse.headers['idempotent-replayed'], 'true');
  await assert.rejects(
    stripe.customers.create({ email: email() }, { idempotencyKey: 'key-1' }),
    (error) => error instanceof Stripe.errors.StripeIdempotencyError && error.statusCode === 400,
  );
});

test('errors are of the SDK\'s classes', async () => {
  const cases = [
    [() => stripe.customers.retrieve('cus_none'), Stripe.errors.StripeInvalidRequestError, 404, 'resource_missing'],
    [() => stripe.customers.create({ emial: 'x' }), Stripe.errors.StripeInvalidRequestError, 400, 'parameter_unknown'],
    [() => connect('sk_test_wrong').customers.list(), Stripe.errors.StripeAuthenticationError, 401, undefined],
  ];
  for (const [call, kind, status, code] of cases) {
    await assert.rejects(call, (error) => {
      assert.ok(error instanceof kind, `${error}`);
      assert.equal(error.statusCode, status);
      assert.equal(error.code, code);
      assert.match(error.message, /./);
      return true;
    });
  }
  const declined = await payingCustomer('pm_card_chargeCustomerFail');
  const price = await monthly();
  await assert.rejects(
    stripe.subscriptions.create({
      customer: declined.id, items: [{ price: price.id }], payment_behavior: 'error_if_incomplete',
    }),
    (error) => error instanceof Stripe.errors.StripeCardError && error.decline_code === 'generic_decline',
  );
});

test('faults are met as the SDK expects them', async () => {
  await control('POST', 'faults', { method: 'GET', path: '/v1/customers', effect: { answer: { status: 429 } } });
  await assert.rejects(stripe.customers.list(), (error) => error instanceof Stripe.errors.StripeRateLimitError);
  // The SDK takes one reset for a connection that had gone stale, and tries again by itself.
  await control('POST', 'faults', { times: 9, effect: { reset: {} } });
  await assert.rejects(stripe.customers.list(), (error) => error instanceof Stripe.errors.StripeConnectionError);
  await control('DELETE', 'faults');
  await control('POST', 'faults', { effect: { truncate: {} } });
  await assert.rejects(stripe.customers.list(), (error) => error instanceof Stripe.errors.StripeAPIError);
});

test('the SDK\'s own retry after a lost answer creates once', async () => {
  const retrying = connect(undefined, { maxNetworkRetries: 2 });
  const address = email();
  await control('POST', 'faults', { method: 'POST', path: '/v1/customers', after_the_work: true, effect: { reset: {} } });
  const made = await retrying.customers.create({ email: address });
  assert.deepEqual((await stripe.customers.list({ email: address })).data.map((customer) => customer.id), [made.id]);
});

test('webhooks arrive signed as the SDK verifies them', async () => {
  const arrived = [];
  const server = http.createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      arrived.push({ signature: request.headers['stripe-signature'], body: Buffer.concat(chunks) });
      response.end();
    });
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const endpoint = await stripe.webhookEndpoints.create({
    url: `http://127.0.0.1:${server.address().port}/hook`,
    enabled_events: ['customer.created'],
  });
  assert.match(endpoint.secret, /^whsec_/);
  assert.equal((await stripe.webhookEndpoints.retrieve(endpoint.id)).secret, undefined, 'shown once');
  const customer = await stripe.customers.create({ email: email(), name: 'Zoë' });
  const until = Date.now() + 10_000;
  while (arrived.length === 0 && Date.now() < until) await new Promise((done) => setImmediate(done));
  await stripe.webhookEndpoints.del(endpoint.id);
  server.close();

  const [{ signature, body }] = arrived;
  const event = stripe.webhooks.constructEvent(body, signature, endpoint.secret);
  assert.equal(event.data.object.id, customer.id);
  assert.throws(
    () => stripe.webhooks.constructEvent(body, signature, 'whsec_other'),
    (error) => error instanceof Stripe.errors.StripeSignatureVerificationError,
  );
});

test('our signature is the SDK\'s', () => {
  const { secret, timestamp, payload, header } = JSON.parse(process.env.SIGNATURE);
  assert.equal(stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp }), header);
});
