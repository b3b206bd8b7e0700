// The code tab's editor: CodeMirror 6 with ghost text.
// Ghost text is a suggestion after the cursor that is no part of the document until it is accepted.

import { basicSetup } from "codemirror";
import { EditorState, StateEffect, StateField, Prec, Compartment } from "@codemirror/state";
import { EditorView, Decoration, WidgetType, keymap } from "@codemirror/view";
import { HighlightStyle, syntaxHighlighting, indentUnit } from "@codemirror/language";
import { indentWithTab } from "@codemirror/commands";
import { tags } from "@lezer/highlight";
import { python } from "@codemirror/lang-python";
import { javascript } from "@codemirror/lang-javascript";
import { java } from "@codemirror/lang-java";
import { cpp } from "@codemirror/lang-cpp";
import { go } from "@codemirror/lang-go";

export const LANGUAGES = {
  python: { name: "Python", file: "numbers/mean.py", support: python, indent: "    " },
  javascript: { name: "JavaScript", file: "numbers/mean.js", support: javascript, indent: "  " },
  typescript: { name: "TypeScript", file: "numbers/mean.ts", support: () => javascript({ typescript: true }), indent: "  " },
  java: { name: "Java", file: "numbers/Numbers.java", support: java, indent: "    " },
  go: { name: "Go", file: "numbers/mean.go", support: go, indent: "\t" },
  cpp: { name: "C, C++", file: "numbers/mean.cpp", support: cpp, indent: "    " },
};

const showGhost = StateEffect.define();

class GhostWidget extends WidgetType {
  constructor(text) {
    super();
    this.text = text;
  }
  eq(other) {
    return other.text === this.text;
  }
  toDOM() {
    const span = document.createElement("span");
    span.className = "cm-ghost";
    span.textContent = this.text;
    return span;
  }
  ignoreEvent() {
    return false;
  }
}

// The suggestion: { at, text } or null. Typing along it shortens it; anything else ends it.
const ghostField = StateField.define({
  create: () => null,
  update(ghost, transaction) {
    for (const effect of transaction.effects) if (effect.is(showGhost)) return effect.value;
    if (!ghost) return null;
    if (transaction.docChanged) return typedAlong(ghost, transaction);
    if (transaction.selection && transaction.newSelection.main.head !== ghost.at) return null;
    return ghost;
  },
  provide: (field) =>
    EditorView.decorations.from(field, (ghost) =>
      ghost && ghost.text
        ? Decoration.set([Decoration.widget({ widget: new GhostWidget(ghost.text), side: 1 }).range(ghost.at)])
        : Decoration.none,
    ),
});

function typedAlong(ghost, transaction) {
  let typed = null;
  let changes = 0;
  transaction.changes.iterChanges((fromA, toA, fromB, toB, inserted) => {
    changes += 1;
    if (fromA === ghost.at && toA === ghost.at) typed = inserted.toString();
  });
  if (changes !== 1 || typed === null || !ghost.text.startsWith(typed)) return null;
  const rest = ghost.text.slice(typed.length);
  return rest ? { at: ghost.at + typed.length, text: rest } : null;
}

function insertGhost(view, text) {
  const ghost = view.state.field(ghostField);
  const rest = ghost.text.slice(text.length);
  const at = ghost.at + text.length;
  view.dispatch({
    changes: { from: ghost.at, insert: text },
    selection: { anchor: at },
    effects: showGhost.of(rest ? { at, text: rest } : null),
    userEvent: "input.complete",
    scrollIntoView: true,
  });
}

function accept(view) {
  const ghost = view.state.field(ghostField);
  if (!ghost || !ghost.text) return false;
  insertGhost(view, ghost.text);
  return true;
}

function acceptWord(view) {
  const ghost = view.state.field(ghostField);
  if (!ghost || !ghost.text) return false;
  insertGhost(view, ghost.text.match(/^\s*\S+\s?/)?.[0] ?? ghost.text);
  return true;
}

function dismiss(view) {
  if (!view.state.field(ghostField)) return false;
  view.dispatch({ effects: showGhost.of(null) });
  return true;
}

const highlight = HighlightStyle.define([
  { tag: [tags.keyword, tags.modifier, tags.controlKeyword], color: "var(--code-keyword)" },
  { tag: [tags.string, tags.special(tags.string), tags.regexp], color: "var(--code-string)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--code-number)" },
  { tag: tags.comment, color: "var(--code-comment)", fontStyle: "italic" },
  { tag: [tags.function(tags.variableName), tags.function(tags.definition(tags.variableName))], color: "var(--code-function)" },
  { tag: [tags.className, tags.typeName, tags.definition(tags.typeName)], color: "var(--code-type)" },
  { tag: [tags.meta, tags.self], color: "var(--code-meta)" },
]);

// `onWant(prefix, suffix)` is called when a suggestion would be welcome, `onIdle()` when a pending one is stale.
export function makeEditor(parent, text, { onWant, onIdle, onGhost }) {
  const language = new Compartment();
  const watch = EditorView.updateListener.of((update) => {
    const ghost = update.state.field(ghostField);
    if (update.startState.field(ghostField) !== ghost) onGhost(ghost);
    if (!update.docChanged && !update.selectionSet) return;
    if (ghost && ghost.text) return; // typing along: what is shown still holds
    onIdle();
    const selection = update.state.selection.main;
    if (!update.docChanged || !selection.empty) return;
    const doc = update.state.doc;
    onWant(doc.sliceString(0, selection.head), doc.sliceString(selection.head));
  });
  const keys = [
    { key: "Tab", run: accept },
    { key: "Mod-ArrowRight", run: acceptWord },
    { key: "Escape", run: dismiss },
  ];
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: text,
      selection: { anchor: text.length },
      extensions: [
        Prec.highest(keymap.of(keys)),
        basicSetup,
        keymap.of([indentWithTab]),
        ghostField,
        language.of(extensionsOf("python")),
        syntaxHighlighting(highlight),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ "aria-label": "Code" }),
        watch,
      ],
    }),
  });
  return {
    view,
    accept: () => accept(view) && view.focus(),
    acceptWord: () => acceptWord(view) && view.focus(),
    clear: () => dismiss(view),
    // Show a suggestion for the text before the cursor as it was when it was asked for.
    suggest(prefix, text) {
      const at = view.state.selection.main.head;
      if (view.state.sliceDoc(0, at) !== prefix) return false;
      view.dispatch({ effects: showGhost.of(text ? { at, text } : null) });
      return true;
    },
    around() {
      const at = view.state.selection.main.head;
      return [view.state.sliceDoc(0, at), view.state.sliceDoc(at)];
    },
    want() {
      onWant(...this.around());
    },
    setLanguage(name) {
      view.dispatch({ effects: language.reconfigure(extensionsOf(name)) });
    },
    setText(text) {
      view.dispatch({
        changes: { from: 0, to: view.state.doc.length, insert: text },
        selection: { anchor: text.length },
      });
    },
  };
}

function extensionsOf(name) {
  const chosen = LANGUAGES[name];
  return [chosen.support(), indentUnit.of(chosen.indent)];
}
