// Under the time line: what was judged about the shown result, the moments to look at, and skeletons and close-ups at the clock.
const judgeBox = $('.stage-judge'), near = $('.stage-near'), bones = $('.stage-bones'), closer = $('.stage-closer');
const SIGNS = { pass: '✓', advice: 'i', warning: '!', unknown: '?' }, SPOKEN = { pass: 'Good', advice: 'Note', warning: 'Warning', unknown: 'Cannot be told' };
const CLOSE = { face: 'Face', left: 'Left hand', right: 'Right hand' };
const FAR = 35;             // degrees between two bones from which on the result's is marked
const APART = 0.1;          // seconds of delay that are worth lining up
const EVERY = 70;           // milliseconds between two drawings while it plays
const SIDE = 176;           // pixels of a close-up
let judge = null, judgedText = '', poses = null, posesOf = '', inSight = false, drawnAt = 0;

function tag(name, className, text = '') { return Object.assign(document.createElement(name), { className, textContent: text }); }
function judgeOf() {                                                      // a take has its own; the value's is about the one that it names
  const t = takes.find((each) => each.id === s.take) || {}, named = takes.length < 2 || t.id === String(given.take);
  return (has(vb) && (t.judge === undefined ? named && given.judge : t.judge)) || null;
}
function showJudge() {
  const next = judgeOf(), text = JSON.stringify(next);
  if (text === judgedText) return;                                        // folds and focus stay as they are
  judge = next; judgedText = text;
  judgeBox.hidden = !judge;
  judgeBox.classList.toggle('is-waiting', !!judge && !!judge.waiting);
  getPoses(judge && judge.poses);
  if (!judge) return;
  const level = judge.level in SIGNS ? judge.level : 'unknown', sign = $('.stage-sign');
  sign.dataset.level = level; sign.textContent = SIGNS[level]; sign.hidden = !!judge.waiting;
  $('.stage-spoken').textContent = judge.waiting ? '' : SPOKEN[level] + ': ';
  $('.stage-verdict').textContent = judge.sentence;
  $('.stage-bars').replaceChildren(...judge.bars.map(bar));
  lineUp();
  listMoments(); listLimbs();
  const how = $('.stage-how');
  how.hidden = !judge.how.length;
  how.querySelector('dl').replaceChildren(...judge.how.flatMap(([name, words]) => [tag('dt', '', name), tag('dd', '', words)]));
}
function bar(each) {
  const item = tag('li', 'stage-score'), known = Number.isFinite(each.value), track = tag('span', known ? 'stage-track' : 'stage-track is-none');
  if (known) {
    const fill = tag('span', 'stage-fill');
    fill.dataset.level = each.level; fill.style.width = Math.max(0, Math.min(100, each.value)) + '%';
    track.append(fill);
  }
  track.setAttribute('aria-hidden', 'true');
  item.append(tag('span', 'stage-score-name', each.name), tag('span', 'stage-score-text', each.text), track);
  if (each.detail) item.append(tag('span', 'stage-score-detail', each.detail));
  return item;
}
function delay() { return (judge && judge.curve && Math.abs(judge.curve.offset) >= APART && judge.curve.offset) || 0; }
function lineUp() {                                                       // a result that comes later than the reference can be looked at as if it did not
  const last = $('.stage-bars').lastElementChild;
  if (!delay() || !last) return;
  const b = tag('button', 'stage-even-out', 'Line both up');
  b.type = 'button';
  b.title = 'Show the result ' + Math.abs(delay()).toFixed(2) + ' s ' + (delay() > 0 ? 'earlier' : 'later') + ', and back';
  b.addEventListener('click', () => { const frames = Math.round(-delay() * s.fps); setOffset(s.offset === frames ? 0 : frames); });
  last.append(b);
}
function listLimbs() {
  const fold = $('.stage-limbs');
  fold.hidden = !judge.limbs.length;
  fold.querySelector('tbody').replaceChildren(...judge.limbs.map((row) => {
    const line = tag('tr', row.judged ? '' : 'is-untold'), name = tag('th', '', row.name);
    name.scope = 'row';
    if (row.judged) line.append(name, ...[row.follows, row.size, row.apart, row.note].map((words) => tag('td', '', words)));
    else { const why = tag('td', '', row.note); why.colSpan = 4; line.append(name, why); }
    return line;
  }));
}
function listMoments() {                                                  // the pictures come with the skeletons
  $('.stage-worst').hidden = !judge.moments.length;
  $('.stage-moments').replaceChildren(...judge.moments.map((moment) => {
    const b = tag('button', 'stage-moment'), pair = tag('span', 'stage-twins');
    b.type = 'button'; b.dataset.at = moment.time;
    b.append(pair, tag('span', 'stage-moment-text', moment.time.toFixed(1) + ' s: ' + moment.text));
    return b;
  }));
  momentPictures();
}
function momentPictures() {
  if (!judge || !judge.moments.length) return;
  const shown = (poses && Array.isArray(poses.moments) && poses.moments) || [];
  $('.stage-moments').querySelectorAll('.stage-twins').forEach((pair, i) => {
    const both = shown[i] ? [shown[i].a, shown[i].b] : [];
    pair.replaceChildren(...both.filter((src) => String(src).startsWith('data:image/jpeg;base64,')).map((src, k) => Object.assign(tag('img', ''), { src, alt: k ? 'Result' : 'Reference' })));
  });
}
judgeBox.addEventListener('click', (e) => {
  const b = e.target.closest('.stage-moment');
  if (!b) return;
  if (s.playing) pause();
  seekTo(Number(b.dataset.at) + s.offset / s.fps);                        // it is a moment of the result
  const seen = screen.getBoundingClientRect();
  if (seen.bottom < 120 || seen.top > window.innerHeight - 120) screen.scrollIntoView({ block: 'nearest', behavior: calm.matches ? 'auto' : 'smooth' });
});

// -- Skeletons and close-ups
function getPoses(file) {
  const address = file && file.url ? file.url : '';
  if (address && address === posesOf) return;
  posesOf = address;
  setPoses(file && !address ? file : null);
  if (!address) return;
  fetch(address).then((answer) => (answer.ok ? answer.json() : null)).then((found) => { if (posesOf === address) setPoses(found); }).catch(() => {});
}
function setPoses(found) {
  poses = found && found.rate > 0 && found.a && found.b && Array.isArray(found.lines) ? found : null;
  near.hidden = !poses;
  momentPictures();
  if (!poses) return;
  bones.setAttribute('viewBox', poses.view.map(Number).join(' '));
  $('.stage-bones-face').hidden = poses.kind !== 'face'; $('.stage-bones-body').hidden = $('.stage-key-far').hidden = poses.kind === 'face';
  closer.replaceChildren(...Object.keys(CLOSE).filter((name) => [poses.a, poses.b].some((side) => side[name].some(Boolean))).map((name) => {
    const tile = tag('figure', 'stage-tile'), views = tag('div', 'stage-views');
    tile.dataset.part = name;
    for (const side of ['a', 'b']) {
      const one = tag('span', 'stage-view'), canvas = Object.assign(document.createElement('canvas'), { width: SIDE, height: SIDE });
      one.dataset.side = side;
      one.append(canvas, tag('span', 'stage-gone', 'Not seen'), tag('span', 'stage-view-name', side === 'a' ? 'Reference' : 'Result'));
      views.append(one);
    }
    tile.append(tag('figcaption', '', CLOSE[name]), views);
    return tile;
  }));
  lookCloser(true);
}
function between(rows, t) {                                               // numbers of that second; what only one of both looks has is taken from the nearer
  const at = t * poses.rate, i = Math.floor(at), share = at - i, nearest = rows[Math.max(0, Math.min(rows.length - 1, Math.round(at)))];
  const one = rows[i], two = rows[i + 1];
  if (!nearest || !one || !two) return nearest || null;
  return nearest.map((v, k) => (one[k] === null || two[k] === null ? v : one[k] + share * (two[k] - one[k])));
}
function clockOf(v) { return Math.max(0, Math.min(local(v, s.clock), known(v) ? v.duration : 0)); }
function lookCloser(now = false) {
  if (!poses || !inSight || (!now && s.playing && performance.now() - drawnAt < EVERY)) return;
  drawnAt = performance.now();
  drawBones();
  for (const tile of closer.children) for (const one of tile.querySelectorAll('.stage-view')) drawView(one, tile.dataset.part);
}
function drawBones() {
  const a = between(poses.a.points, clockOf(va)), b = between(poses.b.points, clockOf(vb));
  const ends = (p, [i, j]) => (p && [p[2 * i], p[2 * i + 1], p[2 * j], p[2 * j + 1]].every(Number.isFinite) ? [p[2 * i], p[2 * i + 1], p[2 * j], p[2 * j + 1]] : null);
  const line = ([x0, y0, x1, y1]) => 'M' + x0.toFixed(1) + ' ' + y0.toFixed(1) + 'L' + x1.toFixed(1) + ' ' + y1.toFixed(1);
  const turned = (p, q) => Math.abs(((Math.atan2(p[3] - p[1], p[2] - p[0]) - Math.atan2(q[3] - q[1], q[2] - q[0])) * 180 / Math.PI + 540) % 360 - 180);
  const paths = { a: '', b: '', far: '' }, turns = [];
  for (const pair of poses.lines) {
    const p = ends(a, pair), q = ends(b, pair);
    if (p) paths.a += line(p);
    if (p && q) turns.push(turned(p, q));
    if (q) paths[p && poses.kind === 'body' && turned(p, q) > FAR ? 'far' : 'b'] += line(q);
  }
  for (const name of Object.keys(paths)) bones.querySelector('.stage-bones-' + name).setAttribute('d', paths[name]);
  $('.stage-apart').textContent = apart(paths.a, paths.b + paths.far, turns);
}
function apart(a, b, turns) {
  if (!a || !b) return !a && !b ? 'Nobody is seen at this moment.' : 'Not seen at this moment: ' + (a ? 'the person of the result.' : 'the person of the reference.');
  if (poses.kind !== 'body' || !turns.length) return '';
  return Math.round(turns.reduce((sum, each) => sum + each, 0) / turns.length) + '° apart here, on average';
}
function drawView(one, part) {
  const v = one.dataset.side === 'a' ? va : vb, side = poses[one.dataset.side], box = between(side[part], clockOf(v));
  const there = !!box && v.readyState > 1 && v.videoWidth > 0;
  if (v.readyState > 1 || !has(v)) one.classList.toggle('is-gone', !box);
  if (!there) return;
  const w = v.videoWidth, size = Math.max(8, box[2] / 1000 * w), pen = one.firstElementChild.getContext('2d');
  pen.fillStyle = '#0a0c10'; pen.fillRect(0, 0, SIDE, SIDE);
  pen.drawImage(v, box[0] / 1000 * w - size / 2, box[1] / 1000 * v.videoHeight - size / 2, size, size, 0, 0, SIDE, SIDE);
}
new IntersectionObserver((seen) => { inSight = seen[seen.length - 1].isIntersecting; lookCloser(true); }).observe(near);
