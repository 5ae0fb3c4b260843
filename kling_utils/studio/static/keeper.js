// Keeps the form over a reload, in this tab alone, and gives it back to a server that does not know it (any more).
// value: {session, lost, visitor, who, form: {orientation, model, sound, image, video}, send: [field]}. The key is never read here.
const KEY = 'motion-control-studio.form.v1';
const BOXES = { prompt: '#prompt', negative: '#negative' };
const FIELDS = ['image', 'video'];
const DAY = 86400000;
let kept = {}, ready = false, seen = '', forgets = false;
const held = {};                                                           // the files that this page has sent: {file, mark}
try { kept = JSON.parse(sessionStorage.getItem(KEY)) || {}; } catch { kept = {}; }
try { sessionStorage.length; } catch { forgets = true; }                   // a frame that may keep nothing
kept.tab ||= String(Math.random()).slice(2);

function database() {
  return new Promise((done, fail) => {
    const r = indexedDB.open(KEY, 1);
    r.onupgradeneeded = () => r.result.createObjectStore('files');
    r.onsuccess = () => done(r.result); r.onerror = () => fail(r.error);
  });
}
async function files(act, mode = 'readwrite') {                            // on this computer, so that a file outlives a reload of the page
  try {
    const db = await database(), asked = act(db.transaction('files', mode).objectStore('files'));
    return await new Promise((done) => { asked.onsuccess = () => { done(asked.result); db.close(); }; asked.onerror = () => { done(); db.close(); }; });
  } catch { return undefined; }                                            // not allowed here: then a file is chosen again
}
async function found() {                                                   // this tab's files, and nobody's after a day
  const keys = await files((all) => all.getAllKeys(), 'readonly') || [];
  for (const key of keys) {
    const [at, tab, field] = key;
    if (Date.now() - at > DAY) await files((all) => all.delete(key));
    else if (tab === kept.tab && !held[field]) held[field] = await files((all) => all.get(key), 'readonly');
  }
}
async function drop(field) {
  for (const key of await files((all) => all.getAllKeys(), 'readonly') || []) if (key[1] === kept.tab && key[2] === field) await files((all) => all.delete(key));
}
async function put(field) {
  const own = held[field];
  await drop(field);
  if (own) await files((all) => all.put({ ...own }, [Date.now(), kept.tab, field]));
}
const loaded = found();
function save() { try { sessionStorage.setItem(KEY, JSON.stringify(kept)); } catch { /* no room, or not allowed: then a reload begins anew */ } }
function box(name) { return document.querySelector(BOXES[name] + ' :is(textarea, input)'); }
function read() {                                                          // what is typed, also what no check has seen yet
  if (!ready) return;
  kept.texts = {};
  for (const name of Object.keys(BOXES)) if (box(name)) kept.texts[name] = box(name).value;
  save();
}
function hold(e, chosen) {                                                  // a file that was chosen or dropped
  const place = e.target.closest && e.target.closest('#image, #video');
  const before = place && kept.form && kept.form[place.id];
  if (place && chosen && chosen.length) held[place.id] = { file: chosen[0], mark: '', before: before && before.mark };
}
function marked(form) {                                                    // a file is kept while it is the one in the form
  for (const field of FIELDS) {
    const told = form[field] || {}, own = held[field];
    if (!own) continue;
    if (!own.mark && told.mark && told.mark !== own.before) { own.mark = told.mark; put(field); }   // not the mark of the file that it replaces
    else if (own.mark && own.mark !== told.mark) { delete held[field]; drop(field); }
  }
}
function send(field, tries) {                                              // the place is emptied first, which takes a moment
  const input = document.querySelector('#' + field + ' input[type=file]'), own = held[field];
  if (!own) return;
  if (!input || document.querySelector('#' + field + ' :is(img, video)')) {
    if (tries) setTimeout(() => send(field, tries - 1), 100);
    return;
  }
  own.mark = own.before = '';                                              // the server gives it another place
  const all = new DataTransfer();
  all.items.add(own.file);
  input.files = all.files;
  input.dispatchEvent(new Event('change', { bubbles: true }));
}
function owned(who) {                                                      // somebody else is signed in now: nothing of the one before is shown
  if (kept.who && kept.who !== who) {
    kept = { tab: kept.tab };
    loaded.then(() => FIELDS.forEach((field) => { delete held[field]; drop(field); }));
  }
  kept.who = who; save();
}
async function apply() {
  const v = props.value || {};
  if (!v.session) return;
  if (v.session !== seen) {
    const lost = !!v.lost && !!seen;
    if ('who' in v) owned(v.who);
    if (v.visitor) document.dispatchEvent(new CustomEvent('visitor', { detail: v.visitor }));
    if (v.visitor && forgets && !seen) trigger('forgets', {});
    seen = v.session;
    read();
    const before = kept.session, form = kept.form || {}, texts = kept.texts || {};
    const any = FIELDS.some((field) => Object.keys(form[field] || {}).length) || Object.values(texts).some(Boolean);
    kept.session = v.session; save();
    const job = new URL(window.location.href).searchParams.get('job') || '';
    if (before && before !== v.session && (any || lost)) {
      await loaded;
      trigger('restore', { session: before, form, texts, job, lost, held: Object.keys(held) });
      return;
    }
    ready = true;
  }
  if (v.send) { ready = true; v.send.forEach((field) => send(field, 30)); }
  if (v.form && ready) { kept.form = v.form; marked(v.form); save(); }
}
let asked = Date.now();
function ask() {                                                           // is the session still there? Before a press counts on it
  if (!seen || document.hidden || Date.now() - asked < 15000) return;
  asked = Date.now();
  trigger('ask', {});
}
for (const back of ['pointerdown', 'keydown', 'visibilitychange']) document.addEventListener(back, ask, { capture: true, passive: true });
document.addEventListener('change', (e) => { if (e.target.matches && e.target.matches('#image input[type=file], #video input[type=file]')) hold(e, e.target.files); }, true);
document.addEventListener('drop', (e) => hold(e, e.dataTransfer && e.dataTransfer.files), true);
document.addEventListener('input', (e) => { if (e.target.closest && e.target.closest(Object.values(BOXES).join())) read(); });
window.addEventListener('pagehide', read);
watch('value', apply);
apply();
