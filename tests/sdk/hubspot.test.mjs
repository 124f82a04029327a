// @hubspot/api-client against the simulator. HUBSPOT_URL and HUBSPOT_TOKEN say where; 30 calls are allowed in ten seconds.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AssociationTypes, Client } from '@hubspot/api-client';

const basePath = process.env.HUBSPOT_URL;
const accessToken = process.env.HUBSPOT_TOKEN;
const hubspot = new Client({ accessToken, basePath, numberOfApiCallRetries: 0 });
const { contacts, deals, companies } = hubspot.crm;

const properties = (email, more = {}) => ({ properties: { email, ...more }, associations: [] });

test('a wrong token is refused as HubSpot does it', async () => {
  const other = new Client({ accessToken: 'pat-wrong', basePath, numberOfApiCallRetries: 0 });
  await assert.rejects(other.crm.contacts.basicApi.getPage(), (error) => {
    assert.equal(error.code, 401);
    assert.equal(error.body.category, 'INVALID_AUTHENTICATION');
    return true;
  });
});

test('contacts are made, read, changed and archived', async () => {
  const made = await contacts.basicApi.create(properties('Ann@Example.com', { firstname: 'Ann' }));
  assert.equal(made.properties.email, 'ann@example.com');
  assert.ok(made.createdAt instanceof Date);
  const read = await contacts.basicApi.getById('ann@example.com', ['firstname', 'nobody_knows'], undefined, undefined, false, 'email');
  assert.equal(read.id, made.id);
  assert.equal(read.properties.firstname, 'Ann');
  const updated = await contacts.basicApi.update(made.id, { properties: { firstname: 'Anna' } });
  assert.equal(updated.properties.firstname, 'Anna');
  await contacts.basicApi.archive(made.id);
  await contacts.basicApi.archive(made.id);
  await assert.rejects(contacts.basicApi.getById(made.id), { code: 404 });
});

test('a known address is a conflict, with the id in the text', async () => {
  const made = await contacts.basicApi.create(properties('bo@example.com'));
  await assert.rejects(contacts.basicApi.create(properties('bo@example.com')), (error) => {
    assert.equal(error.code, 409);
    assert.equal(error.body.message, `Contact already exists. Existing ID: ${made.id}`);
    return true;
  });
});

test('a wrong property refuses the whole record', async () => {
  await assert.rejects(contacts.basicApi.create(properties('cy@example.com', { nobody_knows: '1' })), (error) => {
    assert.equal(error.code, 400);
    assert.match(error.body.message, /PROPERTY_DOESNT_EXIST/);
    return true;
  });
  await assert.rejects(contacts.basicApi.create(properties('cy@example.com', { lifecyclestage: 'Customer' })), /INVALID_OPTION/);
});

test('batches are told out of order, and what failed apart', async () => {
  const inputs = ['d1', 'd2', 'd3'].map((id) => ({
    id: `cus_${id}`, idProperty: 'stripe_customer_id', properties: { email: `${id}@example.com` }, objectWriteTraceId: id,
  }));
  const upserted = await contacts.batchApi.upsert({ inputs });
  assert.deepEqual(upserted.results.map((row) => row.properties.email), ['d3@example.com', 'd2@example.com', 'd1@example.com']);
  assert.ok(upserted.results.every((row) => row._new));
  const read = await contacts.batchApi.read({
    inputs: [{ id: 'cus_d1' }, { id: 'cus_nobody' }], idProperty: 'stripe_customer_id', properties: ['email'], propertiesWithHistory: [],
  });
  assert.equal(read.results.length, 1);
  assert.equal(read.numErrors, 1);
  assert.deepEqual(read.errors[0].context.ids, ['cus_nobody']);
});

test('records are associated, and seen from both sides', async () => {
  const contact = await contacts.basicApi.create(properties('eve@example.com'));
  const company = await companies.basicApi.create({ properties: { name: 'Eve & Co' }, associations: [] });
  const deal = await deals.basicApi.create({
    properties: { dealname: 'Plan', dealstage: 'closedwon', pipeline: 'default', amount: '49.99' },
    associations: [{
      to: { id: contact.id },
      types: [{ associationCategory: 'HUBSPOT_DEFINED', associationTypeId: AssociationTypes.dealToContact }],
    }],
  });
  await hubspot.crm.associations.v4.basicApi.createDefault('contacts', contact.id, 'companies', company.id);
  const seen = await hubspot.crm.associations.v4.basicApi.getPage('companies', company.id, 'contacts');
  assert.deepEqual(seen.results.map((row) => row.toObjectId), [contact.id].map((id) => (typeof seen.results[0].toObjectId === 'number' ? Number(id) : id)));
  const read = await contacts.basicApi.getById(contact.id, ['email'], undefined, ['deals']);
  assert.deepEqual(read.associations.deals.results.map((row) => row.id), [deal.id]);
  await hubspot.crm.associations.v4.basicApi.archive('contacts', contact.id, 'companies', company.id);
  const gone = await hubspot.crm.associations.v4.basicApi.getPage('companies', company.id, 'contacts');
  assert.equal(gone.results.length, 0);
});

test('the search finds, sorts and pages', async () => {
  for (const n of [1, 2, 3]) await deals.basicApi.create({ properties: { dealname: `Paged ${n}`, dealstage: 'contractsent' }, associations: [] });
  const request = {
    filterGroups: [{ filters: [{ propertyName: 'dealstage', operator: 'EQ', value: 'contractsent' }] }],
    sorts: ['dealname'], properties: ['dealname'], limit: 2, after: '0',
  };
  const first = await deals.searchApi.doSearch(request);
  assert.equal(first.total, 3);
  assert.equal(first.paging.next.after, '2');
  const second = await deals.searchApi.doSearch({ ...request, after: first.paging.next.after });
  assert.deepEqual([...first.results, ...second.results].map((row) => row.properties.dealname), ['Paged 1', 'Paged 2', 'Paged 3']);
});

test('properties, pipelines and owners are told', async () => {
  const all = await hubspot.crm.properties.coreApi.getAll('contacts');
  assert.equal(all.results.find((property) => property.name === 'stripe_customer_id').hasUniqueValue, true);
  const pipelines = await hubspot.crm.pipelines.pipelinesApi.getAll('deals');
  assert.ok(pipelines.results[0].stages.some((stage) => stage.id === 'closedwon'));
  const owners = await hubspot.crm.owners.ownersApi.getPage('olga@sandbox.example');
  assert.notEqual(owners.results[0].id, String(owners.results[0].userId));
});

test('beyond the limit the SDK is told so, in the words that it knows', async () => {
  const calls = Array.from({ length: 40 }, () => contacts.basicApi.getPage(1));
  const refused = (await Promise.allSettled(calls)).filter((call) => call.status === 'rejected').map((call) => call.reason);
  assert.ok(refused.length > 0);
  assert.ok(refused.every((error) => error.code === 429 && error.body.policyName === 'TEN_SECONDLY_ROLLING'));
  assert.equal(refused[0].headers['x-hubspot-ratelimit-max'], '30');
});
