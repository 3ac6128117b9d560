// Places the page in the part of the window that the keyboard leaves free.

/**
 * Keeps `element` at the visible part. Phones move and shrink only the visual viewport for their keyboard.
 * @param {HTMLElement} element
 * @returns {() => void} stops it
 */
export function followViewport(element) {
    const viewport = window.visualViewport;
    if (!viewport) return () => {};
    const place = () => {
        // While it is zoomed, the user looks where they want to look.
        if (viewport.scale > 1.01) return;
        element.style.setProperty("top", `${viewport.offsetTop}px`);
        element.style.setProperty("height", `${viewport.height}px`);
    };
    viewport.addEventListener("resize", place);
    viewport.addEventListener("scroll", place);
    place();
    return () => {
        viewport.removeEventListener("resize", place);
        viewport.removeEventListener("scroll", place);
        element.style.removeProperty("top");
        element.style.removeProperty("height");
    };
}
