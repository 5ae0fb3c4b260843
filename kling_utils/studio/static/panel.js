// Where the job is. value: see panel.panel(). Data reaches the page through properties and textContent only; seconds tick here.
const root = element.querySelector('.panel');
const $ = (selector) => root.querySelector(selector);
let ahead = 0, before = 'idle', told = '', best = 0, bestOf = '', tab = '', wide = 0;
const NAME = document.title.replace(/^.* · /, '') || 'Motion Control Studio';

function clock(seconds) {
  const s = Math.max(0, Math.floor(seconds)), m = Math.floor(s / 60);
  return m + ':' + String(s % 60).padStart(2, '0');
}
function tick() {
  const v = props.value || {};
  if (!v.created) { $('.panel-clock').textContent = ''; $('.panel-times').textContent = ''; return; }
  const now = v.finished_at || Date.now() / 1000 + ahead;
  const all = now - v.created;
  $('.panel-clock').textContent = clock(all);
  const times = [];
  if (v.queued_at) times.push('queue ' + clock((v.processing_at || now) - v.queued_at));
  if (v.processing_at) times.push((v.mode === 'done' || v.mode === 'failed' ? 'run ' : 'running ') + clock(now - v.processing_at));
  if (v.mode === 'run' && v.place) times.push('place ' + v.place);
  if (v.mode === 'run' && v.eta) times.push('about ' + clock(v.eta) + ' left');                 // the provider's own word
  $('.panel-times').textContent = times.join(' · ');
  $('.panel-usual').textContent = usual(v, now - (v.queued_at || v.created));
}
function usual(v, gone) {                                                  // learned from this home's own past jobs, never invented
  if (v.mode !== 'run' || !v.usual) return '';
  const u = v.usual;
  if (u.jobs < 5) return gone > u.late ? 'Longer than usual here.' : 'Usually about ' + clock(u.median) + ' here.';   // too few for more
  const of = ' (' + u.jobs + ' jobs like this one here)';
  if (gone > u.late) return 'Longer than nine of ten took' + of + ': they were done within ' + clock(u.late) + '.';
  return 'Usually ' + clock(u.median) + ', nine of ten within ' + clock(u.late) + of + '.';
}
function title(v) {                                                        // what a tab in the background tells
  const running = v.mode === 'run', per = running && best ? best + ' %' : '';
  const said = running ? per || v.title : { done: 'Done', failed: 'Failed', standing: 'Waiting for you' }[v.mode] || '';
  const next = said ? said + ' · ' + NAME : NAME;
  if (next !== tab) { tab = next; document.title = next; }
}
function keep() {                                                          // while a job runs its panel does not shrink: what is under it stays
  const now = root.clientWidth;
  if (now !== wide || root.dataset.mode !== 'run') root.style.minHeight = '';
  wide = now;
  if (root.dataset.mode === 'run') root.style.minHeight = Math.max(parseFloat(root.style.minHeight) || 0, root.offsetHeight) + 'px';
}
function noted(list, notes) {
  if ([...list.children].map((each) => each.textContent).join('\n') === notes.join('\n')) return;
  list.replaceChildren(...notes.map((text) => { const each = document.createElement('li'); each.textContent = text; return each; }));
}
const notify = $('.panel-notify');                                        // asked for once, by a press; without it nothing is said
const able = () => 'Notification' in window && window.isSecureContext;
function offerNotice(running) { notify.hidden = !running || !able() || Notification.permission !== 'default'; }
notify.addEventListener('click', async () => { await Notification.requestPermission(); notify.hidden = true; });
function tellElsewhere(v) {                                                // who looks at another window hears and reads it
  if (!able() || Notification.permission !== 'granted' || (document.visibilityState === 'visible' && document.hasFocus())) return;
  const note = new Notification(v.mode === 'done' ? 'Your video is ready' : v.title, { body: NAME, tag: v.job_id });
  note.onclick = () => { window.focus(); note.close(); };
  try {
    const sound = new AudioContext(), tone = sound.createOscillator(), loud = sound.createGain();
    loud.gain.setValueAtTime(.08, sound.currentTime); loud.gain.exponentialRampToValueAtTime(.001, sound.currentTime + .5);
    tone.frequency.value = v.mode === 'done' ? 880 : 440;
    tone.connect(loud).connect(sound.destination); tone.start(); tone.stop(sound.currentTime + .5);
  } catch { /* the browser allows no sound */ }
}
const ready = $('.panel-ready'), TYPED = 'textarea, input:not([type=radio]):not([type=checkbox]):not([type=range]):not([type=file]), select';
const show = (place) => element.dispatchEvent(new CustomEvent('studio:show', { bubbles: true, detail: place }));
function target() { return root.dataset.mode === 'done' ? document.querySelector('#stage') : root; }
function inSight() {                                                       // most of it, or of the window
  const r = target().getBoundingClientRect(), seen = Math.min(r.bottom, window.innerHeight) - Math.max(r.top, 0);
  return seen >= 0.6 * Math.min(r.height, window.innerHeight);
}
function ended() {                                                         // it ended while somebody was elsewhere on the page
  if (inSight()) return;
  if (!document.activeElement?.matches(TYPED)) { show(target()); return; }
  ready.textContent = { done: 'The result is ready: show it', failed: 'The job failed: show it' }[root.dataset.mode] || 'The job waits for you: show it';
  ready.hidden = false;                                                    // who types is not taken away
}
ready.addEventListener('click', () => { ready.hidden = true; show(target()); });
window.addEventListener('scroll', () => { if (!ready.hidden && inSight()) ready.hidden = true; }, { passive: true });
function address(job, again) {                                             // a reload comes back to this job, and Back to the one before
  told = job;
  const here = new URL(window.location.href);
  if ((here.searchParams.get('job') || '') === job) return;
  if (job) here.searchParams.set('job', job); else here.searchParams.delete('job');
  window.history[again ? 'pushState' : 'replaceState'](window.history.state, '', here);
}
window.addEventListener('popstate', () => {
  const job = new URL(window.location.href).searchParams.get('job') || '';
  if (job !== told) element.dispatchEvent(new CustomEvent('studio:open', { bubbles: true, detail: job }));
});
function apply() {
  const v = props.value || {}, running = v.mode === 'run';
  if (v.now) ahead = v.now - Date.now() / 1000;
  root.dataset.mode = v.mode || 'idle';
  const opened = v.job_id && v.job_id !== bestOf;
  if (v.job_id !== bestOf) { bestOf = v.job_id; best = 0; root.style.minHeight = ''; $('.panel-past').open = false; }
  best = Math.max(best, v.progress || 0);                                 // progress never goes back
  $('.panel-title').textContent = (v.title || '') + (running && best ? ' ' + best + ' %' : '');
  $('.panel-badge').hidden = !v.draft;
  $('.panel-made').textContent = (v.made || '') + (v.take > 1 ? ', take ' + v.take : '') + (v.price ? ' · ' + v.price : '');
  $('.panel-note').textContent = v.note || '';
  noted($('.panel-notes'), v.notes || []);
  const past = v.past || [], folded = $('.panel-past');                   // what is over is not shown as current
  noted(folded.querySelector('ul'), past);
  folded.hidden = !past.length;
  folded.querySelector('summary').textContent = 'What happened on the way (' + past.length + ')';
  $('.panel-task').hidden = !v.task_id || v.mode === 'failed' || v.mode === 'standing';         // the card below names it
  $('.panel-task code').textContent = v.task_id || '';
  $('.panel-ids').hidden = !v.job_id;
  const bar = $('.panel-bar'), known = running && v.progress !== null && v.progress !== undefined;
  bar.classList.toggle('is-open', running && !known);
  if (known) bar.setAttribute('aria-valuenow', best); else bar.removeAttribute('aria-valuenow');
  bar.firstElementChild.style.width = v.mode === 'done' ? '100%' : known ? Math.max(2, best) + '%' : '';
  const clicked = navigator.userActivation && navigator.userActivation.isActive;                 // by a person, not by a reload
  if (v.job_id !== told && (v.job_id || told)) address(v.job_id || '', clicked && v.job_id);
  if (opened && (clicked || (before === 'idle' && running && window.innerWidth < 900))) requestAnimationFrame(() => show('stage'));
  offerNotice(running);
  if (before === 'run' && !opened && ['done', 'failed', 'standing'].includes(v.mode)) { tellElsewhere(v); setTimeout(ended, 500); }   // its stage grows first
  else if (v.mode === 'run' || opened) ready.hidden = true;
  if (opened) root.closest('#results')?.scrollTo(0, 0);
  before = v.mode || 'idle';
  tick();
  title(v);
  keep();
}
root.addEventListener('click', async (e) => {
  const button = e.target.closest('[data-copy]');
  if (!button) return;
  const v = props.value || {}, words = button.textContent;
  const text = button.dataset.copy === 'task' ? v.task_id : window.location.href;
  try { await navigator.clipboard.writeText(text); button.textContent = 'Copied'; }
  catch { button.textContent = 'Copy it by hand'; }
  setTimeout(() => { button.textContent = words; }, 1600);
});
watch('value', apply);
apply();
if (root.dataset.mode === 'idle' && new URL(window.location.href).searchParams.get('job')) {   // its place is kept, so that nothing jumps
  root.dataset.mode = 'opening';
  $('.panel-title').textContent = 'Opening the job';
}
setInterval(tick, 500);
