// Elements are made from text and attributes only: whatever a name or a reason contains, it stays text.

/** @typedef {Node | string | number | null | false | undefined} Child */
/** @typedef {Readonly<Record<string, string | number | boolean | null | undefined>>} Attributes */

const svgTags = new Set(['svg', 'path', 'polyline', 'line', 'rect', 'circle', 'g'])

/**
 * An element that is not on the page yet. An attribute of null, undefined or false is left out.
 * @param {string} tag
 * @param {Attributes} attributes
 * @param {...(Child | readonly Child[])} children
 * @returns {Element}
 */
export function h(tag, attributes, ...children) {
  const element = svgTags.has(tag)
    ? document.createElementNS('http://www.w3.org/2000/svg', tag)
    : document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue
    element.setAttribute(name, value === true ? '' : shown(String(value)))
  }
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue
    element.append(child instanceof Node ? child : document.createTextNode(shown(String(child))))
  }
  return element
}

/**
 * What could turn the direction of reading, or is not to be seen, shows as `\u{NNNN}`: names may come from
 * the network.
 * @param {string} text
 */
export function shown(text) {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  )
}

/**
 * Makes what is on the page like `next`, and leaves in place what is: focus, selection and what somebody has
 * opened survive. Elements with a `data-key` are found again wherever they have gone.
 * @param {Element} old
 * @param {Element} next
 */
export function patch(old, next) {
  for (const { name } of [...old.attributes])
    if (!next.hasAttribute(name) && name !== 'open') old.removeAttribute(name)
  for (const { name, value } of next.attributes)
    if (old.getAttribute(name) !== value && name !== 'open') old.setAttribute(name, value)
  const keyed = new Map([...old.children].map((child) => [keyOf(child), child]))
  let at = old.firstChild
  for (const child of [...next.childNodes]) {
    const key = keyOf(child)
    const mate = key === null ? (at !== null && keyOf(at) === null ? at : null) : (keyed.get(key) ?? null)
    if (mate === null || mate.nodeName !== child.nodeName) {
      old.insertBefore(child, at)
      continue
    }
    if (mate !== at) old.insertBefore(mate, at)
    at = mate.nextSibling
    if (mate instanceof Element && child instanceof Element) patch(mate, child)
    else if (mate.nodeValue !== child.nodeValue) mate.nodeValue = child.nodeValue
  }
  while (at !== null) {
    const gone = at
    at = at.nextSibling
    gone.remove()
  }
}

/** @param {Node} node */
function keyOf(node) {
  return node instanceof Element ? node.getAttribute('data-key') : null
}
