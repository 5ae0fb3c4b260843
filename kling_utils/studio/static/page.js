// The buttons of cards, wherever a card stands: to the field that is to blame, the repair, and the report into the clipboard.
const places = { image: '#image', video: '#video', prompt: '#prompt', negative_prompt: '#negative', character_orientation: '#orientation',
  model_name: '#model', keep_original_sound: '#sound', key: '#account', examples: '#image-examples', clips: '#video-examples', stage: '#panel' };
const calm = window.matchMedia('(prefers-reduced-motion: reduce)').matches;

function go(field) {
  const place = document.querySelector(places[field]);
  if (!place) return;
  const box = field === 'key' && !document.querySelector('#key') ? document.querySelector('#open-key') : null;
  if (box) box.click();
  place.scrollIntoView({ block: 'start', behavior: calm ? 'auto' : 'smooth' });   // at the top: a notice may cover the bottom
  const inside = place.querySelector('textarea, input:checked, input:not([type=file]):not([type=hidden]), button, [tabindex="0"]');
  setTimeout(() => (document.querySelector('#key input') && field === 'key' ? document.querySelector('#key input') : inside)?.focus({ preventScroll: true }), box ? 500 : 60);
  place.classList.remove('is-pointed'); void place.offsetWidth; place.classList.add('is-pointed');
}
function fix() {                                                           // the one button that repairs, and in sight how far it is
  const button = document.querySelector('#fix-all');
  document.querySelector('#fit')?.scrollIntoView({ block: 'start', behavior: calm ? 'auto' : 'smooth' });
  if (button && !button.disabled) button.click();
}
if (!window.motionStudioCards) {
  window.motionStudioCards = true;
  window.motionStudioShow = (place) => {                                   // what a person has opened is brought into sight
    const away = () => { const top = place.getBoundingClientRect().top; return top < -40 || top > window.innerHeight / 2; };
    const show = (behavior) => { if (away()) place.scrollIntoView({ block: 'start', behavior }); };
    const late = setTimeout(() => show('auto'), 900);                      // the page grows meanwhile, which stops a smooth scroll
    for (const own of ['wheel', 'touchmove', 'keydown']) document.addEventListener(own, () => clearTimeout(late), { once: true, passive: true });
    show(calm ? 'auto' : 'smooth');
  };
  let watched = null;                                                      // one button that repairs is enough in sight
  const mark = (on) => document.querySelector('#inputs')?.toggleAttribute('data-fix-in-sight', on);
  const sight = new IntersectionObserver((seen) => mark(seen[seen.length - 1].isIntersecting), { rootMargin: '0px 0px -110px 0px' });
  new MutationObserver(() => {
    const button = document.querySelector('#fix-all');
    if (button === watched) return;
    watched = button; sight.disconnect();
    if (button) sight.observe(button); else mark(false);
  }).observe(document.body, { childList: true, subtree: true });
  document.addEventListener('keydown', (e) => {                            // Escape closes the panel of the key
    const opener = document.querySelector('#open-key');
    if (e.key !== 'Escape' || !opener || !(e.target.closest && e.target.closest('#key-panel'))) return;
    opener.click(); opener.focus();
  });
  document.addEventListener('click', async (e) => {
    const act = e.target.closest && e.target.closest('[data-goto], [data-report], [data-fix]');
    if (!act) return;
    if (act.dataset.goto) { go(act.dataset.goto); return; }
    if ('fix' in act.dataset) { fix(); return; }
    const words = act.textContent;
    try { await navigator.clipboard.writeText(act.dataset.report); act.textContent = 'Copied'; }
    catch { act.textContent = 'The browser does not allow it'; }
    setTimeout(() => { act.textContent = words; }, 1800);
  });
}
// Files whose kind the browser does not know, which gradio would drop without a word: their names say it. Phones write .MOV and .HEIC,
// and what a browser knows depends on the machine that it runs on.
const KINDS = { mp4: 'video/mp4', m4v: 'video/mp4', mov: 'video/quicktime', webm: 'video/webm', mkv: 'video/x-matroska', avi: 'video/x-msvideo',
  jpg: 'image/jpeg', jpeg: 'image/jpeg', png: 'image/png', heic: 'image/heic', heif: 'image/heif', avif: 'image/avif', webp: 'image/webp',
  gif: 'image/gif', bmp: 'image/bmp', tif: 'image/tiff', tiff: 'image/tiff' };
const kindOf = (file) => KINDS[file.name.toLowerCase().split('.').pop()];
// A file of another kind (a clip in the picture's place) is let through under a kind that is taken: our check says what it is and what to
// do, where gradio would only refuse it.
const wanted = (input) => input.closest('#image') ? 'image' : 'video';
const strange = (file, input) => !file.type.startsWith(wanted(input) + '/');
const taken = (file, input) => (kindOf(file) || '').startsWith(wanted(input) + '/') ? kindOf(file) : wanted(input) === 'image' ? 'image/png' : 'video/mp4';
function known(files, input) {
  const all = new DataTransfer();
  for (const file of files) {
    all.items.add(strange(file, input) ? new File([file], file.name, { type: taken(file, input), lastModified: file.lastModified }) : file);
  }
  return all.files;
}
// A clip that this browser cannot play (phones film HEVC): instead of gradio's alarm the place says so, until the check brings a copy to look at.
const clip = (e) => e.target.closest && e.target.matches('#video video') ? e.target.closest('#video') : null;
if (!window.motionStudioKinds) {
  window.motionStudioKinds = true;
  document.addEventListener('change', (e) => {
    if (!e.target.matches('#image input[type=file], #video input[type=file]')) return;
    if ([...e.target.files].some((file) => strange(file, e.target))) e.target.files = known(e.target.files, e.target);
  }, true);
  document.addEventListener('drop', (e) => {
    const box = e.target.closest && e.target.closest('#image, #video'), input = box && box.querySelector('input[type=file]');
    if (!input || !e.dataTransfer || ![...e.dataTransfer.files].some((file) => strange(file, input))) return;
    e.preventDefault(); e.stopPropagation();
    input.files = known(e.dataTransfer.files, input);
    input.dispatchEvent(new Event('change', { bubbles: true }));
  }, true);
  document.addEventListener('error', (e) => {
    const place = clip(e);
    if (place) { place.classList.add('is-unplayable'); e.stopImmediatePropagation(); }
  }, true);
  for (const well of ['loadstart', 'loadeddata']) document.addEventListener(well, (e) => clip(e)?.classList.remove('is-unplayable'), true);
}
