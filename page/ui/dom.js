// Elements without markup: everything that a person reads goes in as text.

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * A new element. A name that begins with `on` adds a listener, any other an attribute; `false` leaves it out.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, unknown>} [attributes]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function el(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (typeof value === "function") {
            element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
        } else if (value !== false && value !== null && value !== undefined) {
            element.setAttribute(name, value === true ? "" : String(value));
        }
    }
    element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
    return element;
}

/**
 * A button.
 * @param {string} text
 * @param {(event: MouseEvent) => void} onclick
 * @param {Record<string, unknown>} [attributes]
 */
export function button(text, onclick, attributes = {}) {
    return el("button", { type: "button", onclick, ...attributes }, text);
}

/** What hides, reorders or controls text. */
const HARMFUL =
    /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb]|[\u{e0000}-\u{e0fff}]|\p{Cs}/gu;

/**
 * Text from elsewhere, which may be long or hostile: cut, and with escapes for what is not seen.
 * @param {unknown} text
 * @param {number} [max] characters
 * @param {string} [kept] harmful characters that are kept, such as line ends
 */
export function harmless(text, max = 128, kept = "") {
    const whole = String(text ?? "");
    const cut = whole.length > max ? `${whole.slice(0, max)}…` : whole;
    return cut.replace(HARMFUL, (found) =>
        kept.includes(found) ? found : `\\u{${found.codePointAt(0)?.toString(16) ?? ""}}`,
    );
}

/**
 * Text from elsewhere, apart from the direction of what is around it.
 * @param {unknown} text
 * @param {number} [max]
 * @param {string} [kept]
 */
export function outside(text, max, kept) {
    return el("bdi", {}, harmless(text, max, kept));
}

/**
 * Shows these children and no others.
 * @param {Element} parent
 * @param {...Child} children
 */
export function fill(parent, ...children) {
    parent.replaceChildren(...children.filter((child) => child !== null && child !== undefined && child !== false));
}
