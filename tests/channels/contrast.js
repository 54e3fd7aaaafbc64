// Each text of the page with its contrast to what is behind it: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
() => {
  const parsed = (colour) => colour.match(/[\d.]+/g).map(Number);
  const channel = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = parsed(getComputedStyle(each).backgroundColor);
      if (colour[3] !== 0) return colour;
    }
    return [255, 255, 255];
  };
  const emoji = /^[\p{Emoji_Presentation}\s]*$/u;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    if (!text || emoji.test(text)) continue;
    const element = walker.currentNode.parentElement;
    const levels = [parsed(getComputedStyle(element).color), behind(element)].map(luminance).sort((a, b) => b - a);
    found.push([text, (levels[0] + 0.05) / (levels[1] + 0.05)]);
  }
  return found;
}
