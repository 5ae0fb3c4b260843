// What next. value: {job_id, items: [{id, label, note, price, most, blocked, goto, risk: {ask, text, yes} or null}], why: [text], copies: [{id, label, text}], trim: {length, least} or null,
// retake: {until, takes, budget or null} or null, series: {lines: [{text, id}], goal, over} or null, deletable}.
// Data reaches the page through properties and textContent only.
const root = element.querySelector('.next');
const $ = (selector) => root.querySelector(selector);
const offers = $('.next-offers'), trim = $('.next-trim'), code = $('.next-code'), sure = $('.next-sure'), told = $('.next-told');
const retake = $('.next-retake'), series = $('.next-series'), tries = retake.querySelector('form'), menus = [trim, retake, code];
const from = $('[name=from]'), to = $('[name=to]'), rule = $('.next-rule'), why = $('.next-why'), fill = trim.querySelector('[type=submit]');
let job = '', busy = 0, trimming = 0;

function button(parent, className, text) {
  const b = document.createElement('button');
  b.type = 'button'; b.className = className; b.textContent = text;
  parent.append(b);
  return b;
}
function line(parent, className, text) { const s = document.createElement('span'); s.className = className; s.textContent = text; parent.append(s); }
function say(text) { told.textContent = text; if (text) setTimeout(() => { if (told.textContent === text) told.textContent = ''; }, 4000); }
function lock(on) {                                                       // one click, one job
  clearTimeout(busy);
  offers.querySelectorAll('button').forEach((b) => { b.disabled = on || b.dataset.blocked === 'true'; });
  if (on) busy = setTimeout(() => lock(false), 8000);
}
function ask(on) {
  sure.hidden = !on; $('.next-delete').hidden = on || !(props.value || {}).deletable;
  if (on) $('.next-no').focus();
}
function risk(item) {                                                      // it may be paid twice: that is asked first
  const asked = $('.next-risk'), buttons = asked.querySelectorAll('button');
  asked.hidden = !item;
  if (!item) return;
  asked.querySelector('.next-risk-head').textContent = item.risk.ask;
  asked.querySelector('.next-risk-text').textContent = item.risk.text;
  buttons[0].textContent = item.risk.yes;
  buttons[0].onclick = () => { risk(null); lock(true); trigger('act', { id: item.id, price: item.price, sure: true }); };
  buttons[1].onclick = () => { risk(null); offers.querySelector('[data-offer="' + item.id + '"]')?.focus(); };
  buttons[1].focus();
}
function chosen(e, item) {
  if (item.goto) { trigger('refill', {}); return; }                        // and page.js leads to the field
  if (item.id === 'trim') { e.stopPropagation(); trim.open = true; from.focus(); return; }
  if (item.risk) { risk(item); return; }
  lock(true); trigger('act', { id: item.id, price: item.price });
}
function fits() {                                                          // both ends of the part, and in words what is wrong with them
  const { length, least } = props.value.trim, a = Number(from.value), b = Number(to.value), round = (n) => Math.round(n * 10) / 10;
  const numbers = from.value !== '' && to.value !== '';
  from.max = Math.max(0, round(Math.min(b || length, length) - least)); to.min = round(Math.max(0, a) + least); to.max = length;
  const later = round(a + least), earlier = round(b - least), ways = [];
  if (later <= length) ways.push('end at ' + later + ' s or later');
  if (earlier >= 0) ways.push('begin at ' + earlier + ' s or earlier');
  let said = 'At least ' + least + ' s must remain.', well = false;
  if (!numbers) said = 'Give both in seconds. ' + said;
  else if (a < 0 || b > length) said = 'The clip goes from 0 to ' + length + ' s.';
  else if (b - a < least - 0.05) said = said.slice(0, -1) + (ways.length ? ': ' + ways.join(', or ') + '.' : '.');
  else well = true;
  if (rule.textContent !== said) rule.textContent = said;
  rule.classList.toggle('is-wrong', !well);
  for (const box of [from, to]) box.setAttribute('aria-invalid', String(!well));
  return well;
}
function work(on) {                                                       // while the clip is being trimmed
  clearTimeout(trimming);
  trimming = on ? setTimeout(() => work(false), 180000) : 0;
  fill.disabled = on; fill.textContent = on ? 'Trimming the clip…' : 'Fill the form';
  answers.disconnect();
  if (on) answers.observe(document.querySelector('#next-answer'), { childList: true, subtree: true });
}
const answers = new MutationObserver(() => {                              // the form has the new files now, or it could not be done
  const answer = document.querySelector('#next-answer'), filled = answer.querySelector('[data-filled]');
  if (!filled && !answer.querySelector('.kc-error-card')) return;
  work(false);
  if (!filled) return;
  trim.open = false;
  element.dispatchEvent(new CustomEvent('studio:show', { bubbles: true, detail: 'video' }));
});
async function copy(item) {
  try { await navigator.clipboard.writeText(item.text); say(item.label.replace('Copy', 'Copied') + '.'); code.open = false; }
  catch { say('This browser does not let the page copy. Mark the text and copy it.'); }
}
function numbers() {                                                       // of the form of a series; the button says what may be spent
  const v = props.value.retake, field = (name) => tries.elements[name], n = Number(field('takes').value), most = Number(field('budget').value);
  const well = ['until', 'takes', 'budget'].every((name) => (name === 'budget' && v.budget === null) || field(name).checkValidity());
  tries.querySelector('[type=submit]').textContent = 'Start: up to ' + n + (n === 1 ? ' take' : ' takes') + (v.budget === null ? ', free' : ', ' + most.toFixed(2) + ' USD at most');
  tries.querySelector('[type=submit]').disabled = !well;
  return well;
}
function told_tries(now) {                                                 // a line for each try, and a way to see it
  series.hidden = !now;
  if (!now) return;
  series.querySelector('.next-goal').textContent = now.goal;
  series.querySelector('.next-tries').replaceChildren(...now.lines.map((each) => {
    const li = document.createElement('li');
    line(li, 'next-try', each.text + ' ');
    if (each.id) button(li, 'next-show', 'Show').addEventListener('click', () => trigger('show', { id: each.id }));
    return li;
  }));
  series.querySelector('.next-over').textContent = now.over || (now.lines.length ? '' : 'The first try is being prepared.');
  const halt = series.querySelector('.next-halt');
  halt.hidden = !!now.over;
  if (now.over) { halt.disabled = false; halt.textContent = 'Stop after this try'; }
}
function apply() {
  const v = props.value || {}, items = v.items || [], copies = v.copies || [];
  root.hidden = !v.job_id;
  if (v.job_id !== job) {
    job = v.job_id; menus.forEach((m) => { m.open = false; });
    ask(false); work(false); told.textContent = ''; from.value = '0'; to.value = '';
    if (document.querySelector('#next-answer .kc')) trigger('moved', { id: job });   // what it says was about another one
  }
  offers.hidden = !items.length;
  risk(null);
  offers.replaceChildren();
  for (const item of items) {
    const b = button(offers, 'next-offer', '');
    line(b, 'next-label', item.label); line(b, 'next-note', item.note || '');
    b.dataset.blocked = String(!!item.blocked); b.dataset.offer = item.id; b.disabled = !!item.blocked;
    if (item.blocked) b.setAttribute('aria-describedby', why.id);
    if (item.goto) b.dataset.goto = item.goto;
    b.addEventListener('click', (e) => chosen(e, item));
  }
  why.replaceChildren(...(v.why || []).map((text) => Object.assign(document.createElement('p'), { textContent: text })));
  why.hidden = !why.children.length;
  trim.hidden = !v.trim;
  if (v.trim) {
    if (!to.value || Number(to.value) > v.trim.length) to.value = v.trim.length;
    fits();
  }
  told_tries(v.series);
  retake.hidden = !v.retake || (v.series && !v.series.over);
  if (retake.hidden) retake.open = false;
  else if (!retake.open) {
    for (const name of ['until', 'takes', 'budget']) tries.elements[name].value = v.retake[name] ?? '';
    tries.querySelector('.next-sum').hidden = v.retake.budget === null;
    numbers();
  }
  const pop = code.querySelector('.next-pop');
  pop.replaceChildren();
  for (const item of copies) button(pop, 'next-copy', item.label).addEventListener('click', () => copy(item));
  if (sure.hidden) $('.next-delete').hidden = !v.deletable;
  lock(false);
}
trim.querySelector('form').addEventListener('submit', (e) => {
  e.preventDefault();
  if (!fits()) { (from.value === '' || Number(from.value) > 0 ? from : to).focus(); return; }
  if (trimming) return;
  work(true);
  trigger('trim', { from: Number(from.value), to: Number(to.value) });
});
tries.addEventListener('input', numbers);
tries.addEventListener('submit', (e) => {
  e.preventDefault();
  if (!numbers()) return;
  retake.open = false;
  trigger('retake', { until: Number(tries.elements.until.value), takes: Number(tries.elements.takes.value), budget: Number(tries.elements.budget.value) });
});
$('.next-halt').addEventListener('click', (e) => { e.target.disabled = true; e.target.textContent = 'Stopping after this try'; trigger('halt', {}); });
for (const box of [from, to]) box.addEventListener('input', fits);
$('.next-delete').addEventListener('click', () => ask(true));
$('.next-no').addEventListener('click', () => { ask(false); $('.next-delete').focus(); });
$('.next-yes').addEventListener('click', () => { trigger('discard', { id: job }); ask(false); });
for (const menu of menus) {
  menu.addEventListener('keydown', (e) => { if (e.key === 'Escape') { menu.open = false; menu.querySelector('summary').focus(); } });
  menu.addEventListener('toggle', () => {
    if (!menu.open) return;
    menus.forEach((m) => { if (m !== menu) m.open = false; });
    menu.querySelector('.next-pop').scrollIntoView({ block: 'nearest' });
  });
}
document.addEventListener('click', (e) => { for (const m of menus) if (e.isTrusted && m.open && !m.contains(e.target)) m.open = false; });   // the page presses buttons of its own
watch('value', apply);
apply();
