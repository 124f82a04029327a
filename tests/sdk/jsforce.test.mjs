// jsforce against the simulator. SALESFORCE_URL, SALESFORCE_ID and SALESFORCE_SECRET say where; pages hold two rows.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import jsforce from 'jsforce';

const url = process.env.SALESFORCE_URL;
const conn = new jsforce.Connection({
  version: '66.0',
  oauth2: { loginUrl: url, clientId: process.env.SALESFORCE_ID, clientSecret: process.env.SALESFORCE_SECRET },
});
const unassigned = { headers: { 'Sforce-Auto-Assign': 'FALSE' } };

before(async () => {
  const user = await conn.authorize({ grant_type: 'client_credentials' });
  assert.match(user.id, /^005/);
  assert.equal(conn.instanceUrl, url);
});

test('a wrong secret is refused as OAuth does it', async () => {
  const other = new jsforce.Connection({
    oauth2: { loginUrl: url, clientId: process.env.SALESFORCE_ID, clientSecret: 'wrong' },
  });
  await assert.rejects(other.authorize({ grant_type: 'client_credentials' }), /invalid client credentials/);
});

test('records are created, read, changed and deleted', async () => {
  const made = await conn.sobject('Account').create({ Name: "O'Brien \\ Sons", AnnualRevenue: 1188 }, unassigned);
  assert.equal(made.success, true);
  assert.equal(made.id.length, 18);
  const read = await conn.sobject('Account').retrieve(made.id);
  assert.equal(read.Name, "O'Brien \\ Sons");
  assert.equal(read.attributes.type, 'Account');
  assert.match(read.CreatedDate, /\.000\+0000$/);
  const updated = await conn.sobject('Account').update({ Id: made.id, Phone: '+44 20' }, unassigned);
  assert.deepEqual(updated, { id: made.id, success: true, errors: [] });
  assert.equal((await conn.sobject('Account').retrieve(made.id.slice(0, 15))).Phone, '+44 20');
  assert.equal((await conn.sobject('Account').destroy(made.id)).success, true);
  await assert.rejects(conn.sobject('Account').retrieve(made.id), { errorCode: 'ENTITY_IS_DELETED' });
});

test('refusals carry the code and the fields', async () => {
  await assert.rejects(conn.sobject('Contact').create({ FirstName: 'Ann' }), { errorCode: 'REQUIRED_FIELD_MISSING' });
  await assert.rejects(conn.sobject('Contact').create({ LastName: 'Lee', Nope__c: 1 }), { errorCode: 'INVALID_FIELD' });
  await assert.rejects(conn.query('SELECT Nope FROM Account'), { errorCode: 'INVALID_FIELD' });
  await assert.rejects(conn.query('SELECT Id FROM Account WHERE'), { errorCode: 'MALFORMED_QUERY' });
});

test('a query is walked page by page', async () => {
  for (const n of [1, 2, 3, 4, 5]) await conn.sobject('Lead').create({ LastName: `Paged ${n}`, Company: 'Acme' });
  const soql = "SELECT Id, LastName, Owner.Name FROM Lead WHERE LastName LIKE 'Paged%' ORDER BY LastName";
  let page = await conn.query(soql);
  const names = page.records.map((record) => record.LastName);
  assert.equal(page.totalSize, 5);
  assert.equal(page.done, false);
  assert.ok(page.records[0].Owner.Name);
  while (!page.done) {
    page = await conn.queryMore(page.nextRecordsUrl);
    names.push(...page.records.map((record) => record.LastName));
  }
  assert.deepEqual(names, ['Paged 1', 'Paged 2', 'Paged 3', 'Paged 4', 'Paged 5']);
  const all = await conn.query(soql, { autoFetch: true });
  assert.equal(all.records.length, 5);
});

test('jsforce\'s own find works', async () => {
  await conn.sobject('Contact').create({ LastName: 'Finder', Email: 'finder@example.com' });
  const found = await conn.sobject('Contact').find({ Email: 'FINDER@example.com' }, 'Id, Name, Email').limit(5);
  assert.deepEqual(found.map((record) => record.Name), ['Finder']);
});

test('an upsert by external id creates, then changes', async () => {
  const first = await conn.sobject('Account').upsert(
    { Stripe_Customer_Id__c: 'cus_sdk_1', Name: 'Upserted' }, 'Stripe_Customer_Id__c', unassigned);
  assert.equal(first.created, true);
  const second = await conn.sobject('Account').upsert(
    { Stripe_Customer_Id__c: 'cus_sdk_1', Name: 'Upserted again' }, 'Stripe_Customer_Id__c', unassigned);
  assert.equal(second.id, first.id);
  assert.equal(second.created, false);
  const read = await conn.sobject('Account').retrieve(first.id);
  assert.equal(read.Name, 'Upserted again');
});

test('a query job is begun, asked after and read as CSV', async () => {
  for (const n of [1, 2, 3]) await conn.sobject('Lead').create({ LastName: `Bulk "${n}"`, Company: 'Acme, Inc' });
  conn.bulk2.pollInterval = 10;
  const soql = "SELECT Id, LastName, Company, Owner.Name, CreatedDate, IsConverted, AnnualRevenue FROM Lead WHERE LastName LIKE 'Bulk%'";
  const records = await (await conn.bulk2.query(soql)).toArray();
  assert.deepEqual(records.map((record) => record.LastName).sort(), ['Bulk "1"', 'Bulk "2"', 'Bulk "3"']);
  const [record] = records;
  assert.equal(record.Company, 'Acme, Inc');
  assert.ok(record['Owner.Name']);
  assert.match(record.CreatedDate, /\.000Z$/);
  assert.equal(record.IsConverted, 'false');
  assert.equal(record.AnnualRevenue, '');
  const job = new (conn.bulk2.job('query', { id: '750000000000000AAA' }).constructor)(conn, {
    bodyParams: { operation: 'query', query: soql }, pollingOptions: conn.bulk2 });
  const begun = await job.open();
  assert.equal(begun.state, 'UploadComplete');
  await assert.rejects(job.delete(), { errorCode: 'INVALIDJOBSTATE' });
  assert.equal((await job.abort()).state, 'Aborted');
  await assert.rejects(job.poll(), /aborted/);
  await job.delete();
  await assert.rejects(job.check(), { errorCode: 'NOT_FOUND' });
  await assert.rejects(conn.bulk2.query('SELECT Nope FROM Lead'), { errorCode: 'API_ERROR' });
  await assert.rejects(conn.bulk2.query('SELECT COUNT() FROM Lead'), { errorCode: 'API_ERROR' });
});

test('describe tells the fields', async () => {
  const described = await conn.sobject('Account').describe();
  const field = described.fields.find((field) => field.name === 'Stripe_Customer_Id__c');
  assert.equal(field.externalId, true);
  assert.equal(field.unique, true);
  assert.ok(described.fields.find((field) => field.name === 'Name').length > 0);
  const global = await conn.describeGlobal();
  assert.ok(global.sobjects.some((object) => object.name === 'Task'));
});

test('collections answer record by record', async () => {
  const made = await conn.sobject('Contact').create([{ LastName: 'One' }, { FirstName: 'No last name' }, { LastName: 'Two' }]);
  assert.deepEqual(made.map((result) => result.success), [true, false, true]);
  assert.equal(made[1].errors[0].statusCode, 'REQUIRED_FIELD_MISSING');
  const ids = made.filter((result) => result.success).map((result) => result.id);
  const updated = await conn.sobject('Contact').update(ids.map((Id) => ({ Id, Title: 'CTO' })));
  assert.ok(updated.every((result) => result.success));
  const read = await conn.sobject('Contact').retrieve(ids);
  assert.deepEqual(read.map((record) => record.Title), ['CTO', 'CTO']);
  const upserted = await conn.sobject('Account').upsert(
    [{ Stripe_Customer_Id__c: 'cus_a', Name: 'A' }, { Stripe_Customer_Id__c: 'cus_b', Name: 'B' }], 'Stripe_Customer_Id__c');
  assert.deepEqual(upserted.map((result) => result.created), [true, true]);
  const gone = await conn.sobject('Contact').destroy(ids);
  assert.ok(gone.every((result) => result.success));
});

test('the usage is counted', async () => {
  await conn.limits();
  assert.ok(conn.limitInfo.apiUsage.used > 0);
});

test('an expired session is renewed once and the call repeated', async () => {
  let renewals = 0;
  const renewing = new jsforce.Connection({
    version: '66.0',
    instanceUrl: url,
    accessToken: conn.accessToken,
    refreshFn: async (_conn, done) => {
      renewals += 1;
      const answer = await fetch(new URL('/services/oauth2/token', url), {
        method: 'POST',
        body: new URLSearchParams({
          grant_type: 'client_credentials',
          client_id: process.env.SALESFORCE_ID,
          client_secret: process.env.SALESFORCE_SECRET,
        }),
      });
      done(null, (await answer.json()).access_token);
    },
  });
  await fetch(new URL('/_sandbox/expire', url), { method: 'POST' });
  assert.ok((await renewing.describeGlobal()).sobjects.length > 0);
  assert.equal(renewals, 1);
});
