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
