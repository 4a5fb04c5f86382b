// The official JavaScript client, unmodified: lists, creates, watches, patches, executes, reads logs, deletes. Prints one JSON object.
import { createRequire } from 'node:module';
import { Writable } from 'node:stream';

const [modules, namespace, image] = process.argv.slice(2);
const k8s = createRequire(`${modules}/`)('@kubernetes/client-node');
const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);
const found = { events: [] };

const nodes = await core.listNode();
found.nodes = nodes.items.length;

let sawDeletion;
const deleted = new Promise((resolve) => { sawDeletion = resolve; });
const watch = new k8s.Watch(config);
const request = await watch.watch(
  `/api/v1/namespaces/${namespace}/configmaps`, { fieldSelector: 'metadata.name=from-js' },
  (type, object) => {
    found.events.push([type, object.data?.k ?? '']);
    if (type === 'DELETED') sawDeletion();
  },
  () => sawDeletion(),
);
const body = { metadata: { name: 'from-js' }, data: { k: '1' } };
found.created = (await core.createNamespacedConfigMap({ namespace, body })).data.k;
found.patched = (await core.patchNamespacedConfigMap(
  { namespace, name: 'from-js', body: { data: { k: '2' } } },
  k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.MergePatch),
)).data.k;
try {
  await core.createNamespacedConfigMap({ namespace, body });
} catch (error) {
  found.conflict = error.code;
}
await core.deleteNamespacedConfigMap({ namespace, name: 'from-js' });
await deleted;
request.abort();

const command = ['sh', '-c', "echo from the log; trap 'exit 0' TERM; sleep 600 & wait"];
await core.createNamespacedPod({
  namespace, body: { metadata: { name: 'js' }, spec: { containers: [{ name: 'c', image, command }] } },
});
for (let at = 0; at < 300; at += 1) {
  found.phase = (await core.readNamespacedPod({ namespace, name: 'js' })).status.phase;
  if (found.phase === 'Running') break;
  await new Promise((resolve) => { setTimeout(resolve, 100); });
}
found.output = '';
const output = new Writable({ write(chunk, _, done) { found.output += chunk; done(); } });
found.status = await new Promise((resolve, reject) => {
  new k8s.Exec(config).exec(
    namespace, 'js', 'c', ['sh', '-c', 'echo hello; exit 3'], output, null, null, false, resolve,
  ).catch(reject);
});
found.log = await core.readNamespacedPodLog({ namespace, name: 'js' });
await core.deleteNamespacedPod({ namespace, name: 'js', gracePeriodSeconds: 1 });
console.log(JSON.stringify(found));
process.exit(0);
