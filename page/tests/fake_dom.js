// A document of a few lines, for tests of what the screens decide: elements, text, listeners and clicks.

class FakeElement extends EventTarget {
    children = [];
    attributes = {};
    hidden = false;
    disabled = false;
    value = "";
    parent = null;
    #text = "";
    style = { setProperty() {} };
    classList = { toggle() {}, add() {}, remove() {} };
    dataset = {};

    constructor(tag) {
        super();
        this.tag = tag;
    }

    append(...children) {
        for (const child of children) {
            if (typeof child === "string") this.#text += child;
            else {
                child.parent = this;
                this.children.push(child);
            }
        }
    }

    replaceChildren(...children) {
        this.#text = "";
        this.children = [];
        this.append(...children);
    }

    remove() {
        if (this.parent) this.parent.children = this.parent.children.filter((other) => other !== this);
        this.parent = null;
    }

    setAttribute(name, value) {
        this.attributes[name] = value;
        if (name === "hidden") this.hidden = true;
        if (name === "value") this.value = value;
    }

    get childElementCount() {
        return this.children.length;
    }

    get textContent() {
        return this.#text + this.children.map(({ textContent }) => textContent).join("");
    }

    set textContent(text) {
        this.replaceChildren(text);
    }

    focus() {}

    /** All below it. */
    get all() {
        return this.children.flatMap((child) => [child, ...child.all]);
    }

    /** The button with this text. */
    button(text) {
        return this.all.find(({ tag, textContent }) => tag === "button" && textContent === text) ?? null;
    }

    click() {
        this.dispatchEvent(new Event("click"));
    }

    submit() {
        this.all.find(({ tag }) => tag === "form").dispatchEvent(new Event("submit", { cancelable: true }));
    }
}

/** Makes `document`, `history` and the like; gives the document, which a test can hide. */
export function fakeDom() {
    const document = Object.assign(new EventTarget(), {
        hidden: false,
        visibilityState: "visible",
        createElement: (tag) => new FakeElement(tag),
        /** The page goes out of sight, or comes back. */
        see(isSeen) {
            document.hidden = !isSeen;
            document.dispatchEvent(new Event("visibilitychange"));
        },
    });
    const globals = {
        document,
        window: globalThis,
        history: { pushState() {}, replaceState: (state) => (document.state = state), back() {} },
        location: { host: "relay.example", origin: "https://relay.example" },
        navigator: { userAgent: "", languages: ["en"] },
        isSecureContext: true,
        matchMedia: () => ({ matches: false }),
        addEventListener() {},
        setInterval: () => 0,
    };
    for (const [name, value] of Object.entries(globals)) {
        Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    }
    return document;
}
