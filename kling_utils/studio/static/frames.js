// The pictures of a clip that is too long: the one that is pressed says where it begins.
element.addEventListener('click', (e) => {
  const frame = e.target.closest('[data-begin]');
  if (frame) trigger('begin', { at: Number(frame.dataset.begin) });
});
