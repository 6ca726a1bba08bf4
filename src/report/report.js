'use strict';
// Order, search and pages. Without it the page shows the same: cards, then a table with links.
(() => {
  const PAGE = 24;
  const PICTURES = [['Input', 'input.png'], ['Overlay', 'overlay.png'], ['Heat map', 'heatmap.png'],
    ['Reconstruction', 'reconstruction.png'], ['Mask', 'mask.png'], ['Interpolated', 'interpolated.png'],
    ['Latent mask', 'latent-mask.png']];
  const find = (id) => document.getElementById(id);
  const [cards, rest, tools, pager, search, order, before, after, place] =
    ['cards', 'rest', 'tools', 'pager', 'search', 'order', 'before', 'after', 'place'].map(find);
  if (!tools) return;

  const element = (tag, attributes, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };

  // A card like those that are in the page already, its pictures cut from the preview.
  const build = (row) => {
    const [head, score, verdict, notes] = row.cells;
    const name = head.textContent;
    const { f: folder, p: held = '', a: shape, k: kept, w: width } = row.dataset;
    const tiles = [...held].map((digit, at) => {
      const [caption, file] = PICTURES[digit];
      const img = element('img', { src: folder + 'preview.jpg', alt: `${caption} of ${name}`, loading: 'lazy', class: 'cut' });
      img.style.aspectRatio = shape;
      img.style.objectPosition = `${held.length > 1 ? at / (held.length - 1) * 100 : 0}% 0`;
      const shown = file === 'input.png' && !kept ? img : element('a', { href: folder + file }, img);
      return element('figure', {}, shown, element('figcaption', {}, caption));
    });
    const bar = element('i', {});
    bar.style.width = width + '%';
    return element('article', { class: row.className },
      element('div', { class: 'title' },
        element('h3', { title: head.title }, name),
        element('span', { class: 'badge ' + row.className }, verdict.textContent),
        element('span', { class: 'score', title: score.title }, score.textContent),
        element('span', { class: 'bar' }, bar)),
      element('div', { class: 'tiles' }, ...tiles),
      ...[...notes.children].map((note) => element('p', { class: 'warning' }, note.textContent)));
  };

  const entry = (verdict, head, card) => ({ verdict, name: head.textContent, words: (head.textContent + '\n' + head.title).toLowerCase(), card });
  const images = [...cards.children].map((card) => entry(card.className, card.querySelector('h3'), () => card));
  for (const row of rest ? rest.querySelectorAll('tbody tr') : []) {
    images.push(entry(row.className, row.cells[0], () => build(row)));
  }
  rest?.remove();
  const collator = new Intl.Collator(undefined, { numeric: true });
  const orders = {
    high: images,
    low: [...images].reverse(),
    get name() {
      const sorted = [...images].sort((a, b) => collator.compare(a.name, b.name));
      Object.defineProperty(this, 'name', { value: sorted });
      return sorted;
    },
  };

  let first = 0;
  const show = () => {
    const verdict = document.querySelector('input[name=show]:checked')?.id.slice(5) ?? 'all';
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = orders[order.value].filter((image) =>
      (verdict === 'all' || image.verdict === verdict) && words.every((word) => image.words.includes(word)));
    first = Math.max(0, Math.min(first, Math.floor((chosen.length - 1) / PAGE) * PAGE));
    const page = chosen.slice(first, first + PAGE);
    cards.replaceChildren(...page.map((image) => image.card()));
    before.disabled = first === 0;
    after.disabled = first + PAGE >= chosen.length;
    place.textContent = chosen.length ? `${first + 1} to ${first + page.length} of ${chosen.length}` : 'No image is so';
    pager.hidden = chosen.length > 0 && chosen.length <= PAGE;
  };
  const again = () => { first = 0; show(); };
  const turn = (by) => { first += by * PAGE; show(); find('images').scrollIntoView(); };
  document.querySelectorAll('input[name=show]').forEach((choice) => choice.addEventListener('change', again));
  search.addEventListener('input', again);
  order.addEventListener('change', again);
  before.addEventListener('click', () => turn(-1));
  after.addEventListener('click', () => turn(1));
  tools.hidden = false;
  show();
})();
