// One clock over two videos: what is loaded, where it stands, and how both are kept in step.
// The host page provides: element, props.value, watch(name, callback), trigger(name, data). The value is described in stage.py.
// Data reaches the page through properties, textContent and numbers in attributes only.
const root = element.querySelector('.stage');
const $ = (selector) => root.querySelector(selector), $$ = (selector) => [...root.querySelectorAll(selector)];
const calm = window.matchMedia('(prefers-reduced-motion: reduce)');
const LARGE = 0.2;          // seconds of drift that are mended by a seek; less is mended by the playback rate
const GAIN = 5, BEND = 0.25;  // rate per second of drift, and the most a rate is bent: a start that is 30 ms apart is mended in half a second
const INSIDE = 0.002;       // seconds past the start of a frame at which it is asked for: time stamps are rounded, to 1 ms in some containers
const DRY = 0.15, AHEAD = 0.8, PATIENCE = 4;  // seconds: hold with less loaded than that, go on with so much, and stop asking after so long
const SHORT = 0.25;         // seconds of a hold that nobody sees: a seek, a frame that is late
const KEEP = 4;             // takes that stay loaded, so that going back to one costs nothing
const RATES = [23.976, 24, 25, 29.97, 30, 48, 50, 59.94, 60];
const s = { clock: 0, playing: false, rate: 1, fps: 24, loop: true, from: null, to: null, heard: 'none', offset: 0, mode: 'side', swapped: false, take: '' };
const va = $('.stage-a video');
let vb = $('.stage-b video'), takes = [], given = {}, last = 0, waited = 0, holding = 0, stuck = 0, loaded = 0;
const skew = new WeakMap();  // video -> seconds by which its own clock is ahead of the frame it shows
const pool = new Map();     // address -> video of a take, the one used longest ago first

const has = (v) => !!v.getAttribute('src');
const known = (v) => has(v) && Number.isFinite(v.duration);
const videos = () => [va, vb].filter(has);
const half = () => 0.5 / s.fps;
const shift = (v) => (v === vb ? s.offset / s.fps : 0);                   // the offset moves the result, in frames of the reference
const local = (v, t) => t - shift(v);
const length = () => Math.max(0, ...videos().filter(known).map((v) => v.duration + shift(v)));
const begin = () => (s.from === null ? 0 : s.from);
const end = () => (s.to === null ? length() : Math.min(s.to + 1 / s.fps, length()));   // the frame at B is still shown
const runs = (v, t) => known(v) && !v.error && local(v, t) >= -0.0005 && local(v, t) < v.duration - half();

function leader(running) {                                                // the reference leads; but what is heard is never bent
  return (s.heard === 'b' ? [vb, va] : [va, vb]).find((v) => running.includes(v));
}
function place(v, t) {                                                    // before its start a clip holds its first frame, after its end the last
  const to = Math.max(0, known(v) ? Math.min(t, v.duration - 0.001) : t);
  if (Math.abs(v.currentTime - to) > 0.0002) v.currentTime = to;
}
function align() { for (const v of videos()) place(v, local(v, s.clock) + INSIDE); }
function framed(t) { return Math.round(t * s.fps) / s.fps; }
function within(t) { return Math.max(0, videos().length && videos().every(known) ? Math.min(t, length() - 0.6 / s.fps) : t); }
function seekTo(t) {
  s.clock = framed(within(t));
  if (s.playing) { root.classList.add('is-buffering'); videos().forEach((v) => v.pause()); }   // both start again together, once both are there
  align(); paint();
}
function refused(error) {
  if (error.name === 'NotAllowedError') {                                 // the browser wants silence first
    if (s.heard !== 'none') { hear('none'); videos().forEach((v) => v.play().catch(pause)); } else pause();
  } else if (error.name !== 'AbortError') pause();                        // AbortError: another call took over
}
function start(v) { if (v.paused) v.play().catch(refused); }
function play() {
  if (!videos().length) return;
  if (s.clock >= end() - 1.2 / s.fps || s.clock < begin() - half()) seekTo(begin());
  s.playing = true; paint();
  videos().filter((v) => !known(v) || runs(v, s.clock)).forEach(start);   // inside the gesture, as phones ask for
}
function pause() {
  const was = s.playing;
  s.playing = false;
  root.classList.remove('is-buffering');
  for (const v of videos()) { v.pause(); v.playbackRate = s.rate; }
  if (was) s.clock = Math.floor(s.clock * s.fps + 0.05) / s.fps;          // the frame that is seen, not the nearest one
  seekTo(s.clock);
}
function step(n) { if (s.playing) pause(); seekTo(s.clock + n / s.fps); }
function setRate(rate) { s.rate = rate; for (const v of videos()) v.playbackRate = rate; }
function hear(side) {
  s.heard = side;
  va.muted = side !== 'a';
  for (const v of $$('.stage-b video')) v.muted = side !== 'b' || v !== vb;
  $('.stage-hear').value = side;
}

function tick(stamp) {
  if (!root.isConnected) return;
  const gone = Math.min(0.1, (stamp - last) / 1000); last = stamp;
  if (s.playing && videos().length) { advance(gone); paint(); }
  requestAnimationFrame(tick);
}
function advance(gone) {
  const late = videos().filter((v) => !v.error && (!known(v) || (runs(v, s.clock) && (v.readyState < 3 || v.seeking || starved(v)))));
  waited = late.length && late.every((v) => v.readyState > 2 && !v.seeking) ? waited + gone : waited > PATIENCE ? waited : 0;
  if (late.length && waited <= PATIENCE) { hold(late, gone); return; }
  root.classList.remove('is-buffering');
  const lead = leader(videos().filter((v) => runs(v, s.clock)));
  if (!lead) s.clock += gone * s.rate;                                    // an offset can leave a gap in which neither plays
  else if (!lead.paused) s.clock = lead.currentTime + shift(lead);
  if (s.clock >= end() - (s.to === null ? half() : 0)) {
    if (s.loop) seekTo(begin()); else pause();
    return;
  }
  for (const v of videos()) {
    if (runs(v, s.clock)) start(v);
    else if (!v.error && !v.seeking) { v.pause(); place(v, local(v, s.clock)); }
  }
  for (const v of videos()) if (v !== lead && lead && !v.paused && !lead.paused && !v.seeking && runs(v, s.clock)) follow(v, lead);
  if (lead && lead.playbackRate !== s.rate) lead.playbackRate = s.rate;
}
function starved(v) {                                                     // before a browser runs dry it shows old frames while its clock goes on
  if (waited > PATIENCE) return false;                                    // one that loads no more while it is paused, or does not say
  const t = v.currentTime, needs = (root.classList.contains('is-buffering') ? AHEAD : DRY) * s.rate;
  let there = 0;
  for (let i = 0; i < v.buffered.length; i++) if (v.buffered.start(i) <= t + 0.1 && v.buffered.end(i) > t) there = v.buffered.end(i) - t;
  return there < Math.min(needs, v.duration - t - 0.1);
}
function hold(late, gone) {                                               // one that waits for data holds both, on the frame that it got to
  const first = !root.classList.contains('is-buffering'), others = videos().filter((v) => !late.includes(v));
  root.classList.add('is-buffering');
  const there = late.reduce((sum, v) => sum + (v.buffered.length ? v.buffered.end(v.buffered.length - 1) : 0), 0);
  stuck = first || there !== loaded ? 0 : stuck + gone; loaded = there;
  for (const v of others) v.pause();
  for (const v of late) {                                                   // it too, or it would show each frame as it comes, alone
    if (stuck > PATIENCE) start(v); else if (v.readyState > 1) v.pause();   // but some browsers load no more while they are paused
  }
  const before = holding;
  holding = first ? 0 : holding + gone;
  if (before > SHORT || holding <= SHORT || !late.every((v) => known(v) && v.readyState > 1)) return;
  s.clock = Math.floor(Math.min(s.clock, ...late.filter((v) => runs(v, s.clock)).map((v) => v.currentTime + shift(v))) * s.fps + 0.05) / s.fps;
  align();                                                                // it takes longer: both stand on one frame meanwhile
}
function follow(v, lead) {
  // Pictures are compared, and a clock can be a frame away from its picture: by the sound card's delay, or by when the browser began to draw.
  const late = (skew.get(v) || 0) - (skew.get(lead) || 0);
  const drift = v.currentTime - local(v, s.clock) - late, away = Math.abs(drift) * s.fps;
  root.dataset.drift = drift.toFixed(4);
  if (Math.abs(drift) > LARGE * Math.max(1, s.rate)) place(v, local(v, s.clock));
  else if (away > 0.25 || (v.playbackRate !== s.rate && away > 0.05)) v.playbackRate = s.rate * (1 - Math.max(-BEND, Math.min(BEND, GAIN * drift)));
  else if (v.playbackRate !== s.rate) v.playbackRate = s.rate;
}

function setSource(v, url) {
  if (v.getAttribute('src') === url) return false;                        // the same file keeps its position
  if (url) v.src = url; else v.removeAttribute('src');
  v.load(); waited = 0;
  return true;
}
function addressOf(take) { return (take && take.b && take.b.url) || null; }
function made() { return Object.assign(document.createElement('video'), { playsInline: true, preload: 'auto', muted: true }); }
function choose(index) {                                                  // another take, at the same position; true when another file
  const take = takes[index] || {}, url = addressOf(take), old = vb, wanted = new Set(takes.map(addressOf));
  s.take = take.id || '';
  for (const [other] of pool) if (!wanted.has(other)) pool.delete(other);
  if (url === old.getAttribute('src')) { show(); return false; }
  let v = pool.get(url);
  if (!v && !has(old)) v = old;                                           // the empty one that the markup brought
  if (!v) { v = made(); old.after(v); mind(v); }
  vb = v; old.pause();
  pool.delete(url);
  if (url) pool.set(url, v);
  for (const [other] of pool) if (pool.size > KEEP) pool.delete(other);
  setSource(v, url);
  v.playbackRate = s.rate;
  hear(s.heard);
  if (known(v)) place(v, local(v, s.clock) + INSIDE);
  fault.hidden = true;
  show();
  return true;
}
function show() {                                                         // the take before stays in sight until the next one has its frame
  if (has(vb) && !vb.error && (vb.readyState < 2 || vb.seeking)) return;
  for (const v of $$('.stage-b video')) {
    v.classList.toggle('is-on', v === vb);
    if (v !== vb && pool.get(v.getAttribute('src')) !== v) { v.removeAttribute('src'); v.load(); v.remove(); }
  }
}
function mind(v) {
  count(v);
  v.addEventListener('loadedmetadata', () => {
    v.playbackRate = s.rate;
    if (videos().every(known)) s.clock = framed(within(s.clock));
    place(v, local(v, s.clock) + INSIDE);
    lengths(); paint();
    if (s.playing && runs(v, s.clock)) start(v);
  });
  for (const name of ['loadeddata', 'seeked']) v.addEventListener(name, () => { show(); lookCloser(true); });
  v.addEventListener('error', () => {
    if (!has(v) || (v !== va && v !== vb)) return;
    fault.textContent = 'This browser cannot play the ' + called(v === va ? 'a' : 'b') + '. The file itself is saved.';
    fault.hidden = false;
    show();
  });
}
function count(v) {                                                       // what is learned from the frames that are shown
  if (!v.requestVideoFrameCallback) return;
  let before = -1, least = 1, number = 0, source = '';
  const look = (_, shown) => {
    if (source !== v.src) { source = v.src; least = 1; number = 0; before = -1; skew.delete(v); }
    const gap = shown.mediaTime - before; before = shown.mediaTime;
    if (gap > 0.008 && gap < least) least = gap;                          // the rate of the reference, where none was given
    if (v === va && gap > 0.008 && ++number === 12 && !given.fps) s.fps = RATES.find((r) => Math.abs(r * least - 1) < 0.005) || 1 / least;
    const seen = shown.mediaTime + (performance.now() - shown.expectedDisplayTime) / 1000 * v.playbackRate, ahead = v.currentTime - seen;
    if (!v.paused && !v.seeking && Math.abs(ahead) < LARGE) skew.set(v, skew.has(v) ? skew.get(v) + 0.1 * (ahead - skew.get(v)) : ahead);
    v.requestVideoFrameCallback(look);
  };
  v.requestVideoFrameCallback(look);
}
