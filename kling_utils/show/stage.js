// Buttons, keys, fingers, and the value: what a person or the host page does, turned into calls of the rest.
const acts = {
  play: () => (s.playing ? pause() : play()), prev: () => step(-1), next: () => step(1), loop: () => setLoop(!s.loop),
  from: () => mark('from'), to: () => mark('to'), unmark, less: () => setOffset(s.offset - 1), more: () => setOffset(s.offset + 1),
  even: () => setOffset(0), swap: () => { swap(!s.swapped); say(s.swapped ? 'Sides swapped' : 'Sides as they were'); },
  image: () => { pinned(!root.classList.contains('is-pinned')); say(root.classList.contains('is-pinned') ? 'Image shown' : has(pin.firstElementChild) ? 'Image hidden' : 'There is no image'); }, corner,
  still, link: copyLink, tools: () => tools(!root.classList.contains('has-tools')), full, help: tell, close: () => help.close(),
};
const PAIR = new Set(['less', 'more', 'even', 'swap']), NOT_AGAINST = new Set(['swap', 'link']);
const keys = {
  ' ': acts.play, k: acts.play, ',': acts.prev, '.': acts.next, Home: () => seekTo(begin()), End: () => seekTo(end()),
  ArrowLeft: () => seekTo(s.clock - 1), ArrowRight: () => seekTo(s.clock + 1),
  l: acts.loop, a: acts.from, b: acts.to, x: unmark, '[': acts.less, ']': acts.more, 0: acts.even, s: acts.swap, i: acts.image, I: corner,
  '-': () => speed(-1), '+': () => speed(1), '=': () => speed(1), m: nextSound, t: () => takeBy(1), T: () => takeBy(-1),
  p: still, c: copyLink, f: full, '?': tell, h: tell,
};
MODES.forEach((mode, i) => { keys[i + 1] = () => look(mode); });

let touched = null, dragged = false;
root.addEventListener('click', (e) => {
  const b = e.target.closest('button');
  if (b && b.dataset.act) acts[b.dataset.act]();
  else if (b && b.dataset.mode) look(b.dataset.mode);
  else if (b && b.dataset.take !== undefined) take(takes.findIndex((t) => t.id === b.dataset.take));
  else if (e.target === help) help.close();                               // beside the card
  else if (e.target.closest('.stage-pane') && !dragged) { root.focus({ preventScroll: true }); acts.play(); }
  dragged = false;
});
screen.addEventListener('pointerdown', (e) => {
  dragged = false;
  if (e.target.closest('.stage-pane') && e.isPrimary && e.button === 0) touched = { id: e.pointerId, x: e.clientX, clock: s.clock };
});
screen.addEventListener('pointermove', (e) => {                           // a finger that moves: the wipe follows it, or the clock does
  if (!touched || touched.id !== e.pointerId) return;
  const by = e.clientX - touched.x, wiping = root.dataset.mode === 'wipe';
  if (!dragged && Math.abs(by) < 8) return;
  if (!wiping && e.pointerType === 'mouse') return;
  if (!dragged) { dragged = true; screen.setPointerCapture(e.pointerId); if (!wiping && s.playing) pause(); }
  if (wiping) wipeAt(e.clientX); else seekTo(touched.clock + by / screen.clientWidth * length());
});
for (const name of ['pointerup', 'pointercancel']) screen.addEventListener(name, () => { touched = null; });

let resume = false;
seek.addEventListener('pointerdown', () => { scrubbing = true; resume = s.playing; if (s.playing) pause(); });
seek.addEventListener('input', () => { if (s.playing) pause(); seekTo(seek.value * length()); });
seek.addEventListener('change', () => { scrubbing = false; if (resume) play(); resume = false; });
const box = $('.stage-strip');
const scrub = (e) => { const r = box.getBoundingClientRect(); if (s.playing) pause(); seekTo((e.clientX - r.left) / r.width * length()); };
box.addEventListener('pointerdown', (e) => { box.setPointerCapture(e.pointerId); scrub(e); });
box.addEventListener('pointermove', (e) => { if (box.hasPointerCapture(e.pointerId)) scrub(e); });
$('.stage-rate').addEventListener('change', (e) => setRate(Number(e.target.value)));
$('.stage-hear').addEventListener('change', (e) => hear(e.target.value));
handle.addEventListener('pointerdown', (e) => { e.stopPropagation(); handle.setPointerCapture(e.pointerId); });
handle.addEventListener('pointermove', (e) => { if (handle.hasPointerCapture(e.pointerId)) wipeAt(e.clientX); });
handle.addEventListener('keydown', (e) => {
  const by = { ArrowLeft: -2, ArrowRight: 2, ArrowDown: -2, ArrowUp: 2, PageDown: -10, PageUp: 10, Home: -100, End: 100 }[e.key];
  if (by) { e.preventDefault(); e.stopPropagation(); wipe(Number(handle.getAttribute('aria-valuenow')) + by); }
});
let tabs = 0;                                                             // Tab goes through the takes once, and then on to the controls
root.addEventListener('focus', () => { tabs = 0; });
root.addEventListener('keydown', (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || root.dataset.fill === 'empty') return;
  if (help.open) { if (['?', 'h'].includes(e.key)) { e.preventDefault(); help.close(); } e.stopPropagation(); return; }
  if (e.target.tagName === 'SELECT' || (['BUTTON', 'SUMMARY'].includes(e.target.tagName) && [' ', 'Enter'].includes(e.key))) return;
  if (e.key === 'Escape' && root.classList.contains('is-full')) { root.classList.remove('is-full'); return; }
  if (e.key === 'Tab') {
    if (e.target !== root || e.shiftKey || takes.length < 2 || tabs === takes.length) return;
    tabs += 1; takeBy(1);
    e.preventDefault(); e.stopPropagation();
    return;
  }
  if (e.key !== 'Shift') tabs = 0;
  const frames = { ArrowUp: 1, ArrowDown: -1 }[e.target === seek ? e.key : ''];
  const act = frames ? () => step(frames) : keys[e.key];
  const names = Object.keys(acts).filter((name) => acts[name] === act);
  if (!act || (root.dataset.fill !== 'both' && names.some((name) => PAIR.has(name)))) return;
  if (given.against && names.some((name) => NOT_AGAINST.has(name))) return;
  e.preventDefault(); e.stopPropagation();
  act();
});
// On a page with one stage, space and the question mark reach it also where nothing has the focus, as after a reload.
const free = (e) => e.target === document.body && document.activeElement === document.body && !e.defaultPrevented && !(e.ctrlKey || e.metaKey || e.altKey);
document.addEventListener('keydown', (e) => {
  if (!root.isConnected || ![' ', '?'].includes(e.key) || !free(e) || root.dataset.fill === 'empty' || document.querySelector('dialog[open], [aria-modal=true]')) return;
  if (document.querySelectorAll('.stage').length > 1 || !root.checkVisibility()) return;
  const box = screen.getBoundingClientRect();
  if (e.key === ' ' && (box.bottom < 80 || box.top > window.innerHeight - 80)) return;   // out of sight: then space scrolls the page
  e.preventDefault();
  root.focus({ preventScroll: true });
  keys[e.key]();
});

function tools(on) {                                                      // what is seldom used
  root.classList.toggle('has-tools', on); $('.stage-more').setAttribute('aria-expanded', String(on));
}
function filled() {
  root.dataset.fill = has(va) && has(vb) ? 'both' : has(va) ? 'a' : has(vb) ? 'b' : 'empty';
  const both = root.dataset.fill === 'both';
  for (const b of $$('button[data-mode], button[data-act]')) if (b.dataset.mode || PAIR.has(b.dataset.act)) b.disabled = !both;
  for (const option of $('.stage-hear').options) option.disabled = (option.value === 'a' && !has(va)) || (option.value === 'b' && !has(vb));
  $('[data-act=still]').disabled = root.dataset.fill === 'empty';
  view(s.mode);
}
function apply() {
  const v = props.value || {}, before = root.dataset.fill, asked = given.take;
  if (v.round !== given.round) { setSource(va, null); setSource(vb, null); pool.clear(); }
  given = v;
  if (v.fps > 0) s.fps = v.fps;
  const moved = setSource(va, (v.a && v.a.url) || null);
  if (moved && !v.fps) s.fps = 24;                                        // until it is measured
  takes = v.takes && v.takes.length ? v.takes.map((t) => ({ ...t, id: String(t.id) })) : [{ id: '', label: v.label_b, b: v.b }];
  const of = (id) => (id === undefined || id === null ? -1 : takes.findIndex((t) => t.id === String(id)));
  const stay = moved || v.take !== asked ? [] : [of(s.take)];
  const changed = choose([wish ? of(wish.get('take')) : -1, ...stay, of(v.take), of(s.take), 0].find((i) => i >= 0));
  $('.stage-later p').textContent = v.later || '';
  against(!!v.against);
  const img = pin.firstElementChild, url = (v.image && v.image.url) || null;
  if (url !== img.getAttribute('src')) { if (url) img.src = url; else img.removeAttribute('src'); }
  $('[data-act=image]').hidden = !url;
  if (!url) pinned(false);
  filled(); listTakes(); showJudge(); lengths(); offerSave();
  if (moved || (changed && before !== 'both')) {                          // other clips, or the first result: from the start
    const playing = v.autoplay && !calm.matches && !wish && videos().length;
    s.clock = 0; fault.hidden = true;
    s.from = s.to = null; marks(); hear('none');
    if (s.offset && !wish) setOffset(0);
    if (wish) grant(wish); else if (linked && moved) unlink();
    if (root.dataset.fill === 'both') wish = null;
    pause();
    if (playing) play();
  } else if (changed && !s.playing) { align(); paint(); }
}
mind(va); mind(vb);
hear('none');
watch('value', apply);
apply();
requestAnimationFrame(tick);
window.addEventListener('hashchange', () => {
  const words = root.isConnected && linkedTo();
  if (!words || root.dataset.fill === 'empty') return;
  if (s.playing) pause();
  linked = true;
  const i = takes.findIndex((t) => t.id === words.get('take'));
  if (i >= 0) take(i);
  grant(words); seekTo(s.clock);
});
new ResizeObserver(() => root.classList.toggle('is-narrow', root.clientWidth < 560)).observe(root);
new IntersectionObserver((seen) => { if (!seen[seen.length - 1].isIntersecting && s.playing) pause(); }).observe(root);
