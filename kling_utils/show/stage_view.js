// What is seen: views, takes, the pinned image, stills, the link that comes back here, full screen, and short messages.
const MODES = ['side', 'stack', 'wipe', 'blend', 'difference'];
const NAMES = { side: 'Side by side', stack: 'Stacked', wipe: 'Wipe', blend: 'Blend', difference: 'Difference' };
const handle = $('.stage-handle'), fault = $('.stage-fault'), screen = $('.stage-screen'), help = $('.stage-help'), pin = $('.stage-pin');
let scrubbing = false, quiet = 0;

function say(text) {
  const line = $('.stage-say');
  line.textContent = text;
  clearTimeout(quiet);
  quiet = setTimeout(() => { line.textContent = ''; }, 1800);
}
function press(selector, name, value) { for (const b of $$(selector)) b.setAttribute('aria-pressed', String(b.dataset[name] === value)); }
function view(mode) {
  s.mode = mode;
  root.dataset.mode = root.dataset.fill === 'both' ? mode : 'side';       // one clip alone has one view; the wish is kept
  press('button[data-mode]', 'mode', root.dataset.mode);
}
function look(mode) { view(mode); if (root.dataset.fill === 'both') say(NAMES[mode]); }
function wipe(per) {
  const p = Math.max(0, Math.min(100, per));
  root.style.setProperty('--stage-wipe', p + '%'); handle.setAttribute('aria-valuenow', String(Math.round(p)));
}
function wipeAt(x) { const box = screen.getBoundingClientRect(); wipe((x - box.left) / box.width * 100); }
function swap(on) {
  s.swapped = on;
  root.classList.toggle('is-swapped', on); $('[data-act=swap]').setAttribute('aria-pressed', String(on));
}
function pinned(on) {
  root.classList.toggle('is-pinned', on && has(pin.firstElementChild)); $('[data-act=image]').setAttribute('aria-pressed', String(on));
}
function corner() { pin.dataset.corner = String((Number(pin.dataset.corner) + 1) % 4); }
function full() {
  if (document.fullscreenElement) document.exitFullscreen();
  else if (root.requestFullscreen && document.fullscreenEnabled) root.requestFullscreen().catch(() => root.classList.add('is-full'));
  else root.classList.toggle('is-full');                                  // phones that know full screen for videos only
}
function called(side) { return given.against ? (side === 'a' ? 'left take' : 'right take') : side === 'a' ? 'reference' : 'result'; }
function against(on) {                                                    // two results: what is said, and no sides to swap
  root.classList.toggle('is-against', on);
  if (on && s.swapped) swap(false);
  for (const side of ['a', 'b']) {
    const name = called(side);
    $('.stage-hear option[value=' + side + ']').textContent = 'Hear ' + name.replace(' take', '');
    $('.stage-key-' + side).textContent = name[0].toUpperCase() + name.slice(1);
  }
}
function speed(by) {
  const select = $('.stage-rate');
  select.selectedIndex = Math.max(0, Math.min(select.options.length - 1, select.selectedIndex + by));
  setRate(Number(select.value)); say('Speed ' + select.options[select.selectedIndex].textContent);
}
function nextSound() {
  const order = ['none', ...(has(vb) ? ['b'] : []), ...(has(va) ? ['a'] : [])];
  hear(order[(order.indexOf(s.heard) + 1) % order.length]);
  say(s.heard === 'none' ? 'Sound off' : 'Sound of the ' + called(s.heard));
}
function tell() {
  if (help.open) help.close(); else help.showModal();
}

function offerSave() {                                                     // of the take that is shown
  const link = $('.stage-save'), file = (takes.find((take) => take.id === s.take) || {}).save || (takes.length < 2 && given.save);
  link.hidden = !file;
  if (file) { link.href = file.url; link.download = file.name; }
}
function listTakes() {                                                    // one button for each take, kept when the list grows
  const row = $('.stage-takes');
  row.hidden = takes.length < 2;
  takes.forEach((take, i) => {
    const b = row.children[i] || row.appendChild(document.createElement('button'));
    b.type = 'button'; b.dataset.take = take.id; b.textContent = take.label || 'Take ' + (i + 1);
    b.title = 'Show this result (Tab goes to the next)';
  });
  while (row.children.length > takes.length) row.lastElementChild.remove();
  press('.stage-takes button', 'take', s.take);
}
function take(index) {
  if (!takes.length) return;
  const i = (index + takes.length) % takes.length;
  choose(i); press('.stage-takes button', 'take', s.take); filled(); showJudge(); lengths(); offerSave();
  if (!s.playing) { align(); paint(); }
  if (takes.length > 1) say(takes[i].label || 'Take ' + (i + 1));
}
function takeBy(n) { if (takes.length > 1) take(takes.findIndex((t) => t.id === s.take) + n); }

function settled(v) {                                                     // until the frame asked for is there
  if (!v.seeking && v.readyState >= 2) return Promise.resolve();
  return new Promise((done) => { for (const name of ['seeked', 'loadeddata', 'error']) v.addEventListener(name, done, { once: true }); });
}
async function still() {
  if (s.playing) pause();
  const sides = (s.swapped ? [vb, va] : [va, vb]).filter(has);
  await Promise.all(sides.map(settled));
  const there = sides.filter((v) => v.videoWidth), down = s.mode === 'stack';
  if (!there.length) return;
  const most = down ? Math.max(...there.map((v) => v.videoWidth)) : Math.min(1080, Math.max(...there.map((v) => v.videoHeight)));
  const boxes = there.map((v) => { const k = most / (down ? v.videoWidth : v.videoHeight); return [Math.round(v.videoWidth * k), Math.round(v.videoHeight * k)]; });
  const text = Math.max(14, Math.round(Math.max(...boxes.map((b) => b[1])) / 34)), bar = Math.round(text * 2.2), gap = 2;
  const canvas = document.createElement('canvas'), pen = canvas.getContext('2d');
  const add = (i) => boxes.reduce((sum, b) => sum + b[i] + (i ? bar : 0), 0) + gap * (boxes.length - 1), top = (i) => Math.max(...boxes.map((b) => b[i]));
  canvas.width = down ? top(0) : add(0);
  canvas.height = down ? add(1) : top(1) + bar;
  pen.fillStyle = '#0a0c10'; pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.textBaseline = 'middle';
  let x = 0, y = 0;
  there.forEach((v, i) => {
    const [w, h] = boxes[i], when = Math.max(0, Math.min(local(v, s.clock), v.duration));
    const words = (v === va ? labels.a : labels.b) + ', ' + when.toFixed(2) + ' s';
    pen.drawImage(v, x, y, w, h);
    pen.fillStyle = '#fff'; pen.font = '600 ' + text + 'px system-ui, sans-serif';
    const room = w - text * 1.4, needs = pen.measureText(words).width;
    if (needs > room) pen.font = '600 ' + Math.max(8, Math.floor(text * room / needs)) + 'px system-ui, sans-serif';
    pen.fillText(words, x + text * 0.7, y + h + bar / 2, room);
    if (down) y += h + bar + gap; else x += w + gap;
  });
  try {
    canvas.toBlob((blob) => { save(blob, 'compare-' + s.clock.toFixed(2) + 's.png'); say('Still saved'); }, 'image/png');
  } catch { say('This browser does not allow a still of these files'); }
}
function save(blob, name) {
  const a = document.createElement('a');
  a.href = URL.createObjectURL(blob); a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 10000);
}

function link() {                                                         // the rest of the address (which job) stays as it is
  const words = new URLSearchParams({ t: s.clock.toFixed(3), mode: s.mode });
  if (s.take) words.set('take', s.take);
  if (s.offset) words.set('offset', s.offset);
  if (s.swapped) words.set('swap', '1');
  const here = new URL(window.location.href);
  here.hash = words.toString();
  return here.href;
}
const placed = window.location.protocol !== 'about:';                      // a notebook's cell has no address of its own
$('[data-act="link"]').hidden = $('.stage-key-link').hidden = !placed;
async function copyLink() {
  if (!placed) { say('A cell has no link'); return; }
  if (s.playing) pause();
  const here = link();
  try { await navigator.clipboard.writeText(here); say('Link copied'); }
  catch { window.history.replaceState(window.history.state, '', here); linked = true; say('The address of this page is the link now'); }
}
function linkedTo() {                                                     // what the address asks for, or nothing
  const words = new URLSearchParams(window.location.hash.slice(1));
  return ['t', 'mode', 'take'].some((name) => words.has(name)) ? words : null;
}
let wish = linkedTo(), linked = !!wish;
function unlink() {                                                       // other clips: the place in the old ones means nothing
  linked = false;
  const here = new URL(window.location.href);
  here.hash = '';
  window.history.replaceState(window.history.state, '', here);
}
function grant(words) {
  const t = Number(words.get('t')), mode = words.get('mode'), offset = Number(words.get('offset'));
  if (MODES.includes(mode)) view(mode);
  if (offset) setOffset(offset);
  swap(words.get('swap') === '1');
  if (Number.isFinite(t) && t > 0) s.clock = t;
}
