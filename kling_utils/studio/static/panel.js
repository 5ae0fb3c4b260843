// Where the job is. value: see follow.panel(). Data reaches the page through properties and textContent only; seconds tick here.
const root = element.querySelector('.panel');
const $ = (selector) => root.querySelector(selector);
let ahead = 0, before = 'idle', told = '';

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
  if (v.mode === 'run' && v.eta) times.push('about ' + clock(v.eta) + ' more');
  if (v.price) times.push(v.price);
  $('.panel-times').textContent = times.map((t) => ' · ' + t).join('');
}
function apply() {
  const v = props.value || {}, running = v.mode === 'run';
  if (v.now) ahead = v.now - Date.now() / 1000;
  root.dataset.mode = v.mode || 'idle';
  const title = (v.title || '') + (running && v.progress ? ' ' + v.progress + ' %' : '');
  $('.panel-title').textContent = title;
  $('.panel-badge').hidden = !v.draft;
  $('.panel-made').textContent = (v.made || '') + (v.take > 1 ? ', take ' + v.take : '');
  $('.panel-note').textContent = v.note || '';
  $('.panel-task').hidden = !v.task_id || v.mode === 'failed' || v.mode === 'standing';         // the card below names it
  $('.panel-task code').textContent = v.task_id || '';
  $('.panel-ids').hidden = !v.job_id;
  const bar = $('.panel-bar'), known = running && v.progress !== null && v.progress !== undefined;
  bar.classList.toggle('is-open', running && !known);
  if (known) bar.setAttribute('aria-valuenow', v.progress); else bar.removeAttribute('aria-valuenow');
  bar.firstElementChild.style.width = v.mode === 'done' ? '100%' : known ? Math.max(2, v.progress) + '%' : '';
  if (v.job_id && v.job_id !== told) {                                    // a reload comes back to this job
    told = v.job_id;
    const here = new URL(window.location.href);
    here.searchParams.set('job', v.job_id);
    window.history.replaceState(window.history.state, '', here);
  }
  if (before === 'idle' && running && window.innerWidth < 900) {
    const calm = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
    requestAnimationFrame(() => root.scrollIntoView({ block: 'start', behavior: calm ? 'auto' : 'smooth' }));
  }
  before = v.mode || 'idle';
  tick();
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
setInterval(tick, 500);
