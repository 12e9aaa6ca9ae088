// The bearer token: requested once, kept in this tab alone.

const KEY = "espalier.token";
let asking = null; // one dialog, however many requests are rejected at once

export function token() {
  return sessionStorage.getItem(KEY);
}

/** Shows the dialog; resolves to whether a token was given. why: the service's own words. */
export function askForToken(why) {
  asking ??= shown(why).finally(() => (asking = null));
  return asking;
}

function shown(why) {
  const dialog = document.getElementById("token");
  const field = document.getElementById("token-value");
  document.getElementById("token-why").textContent = why;
  field.value = "";
  dialog.returnValue = "";
  dialog.showModal();
  field.focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", given, { once: true });
    function given() {
      const used = dialog.returnValue === "use";
      if (used) sessionStorage.setItem(KEY, field.value.trim());
      else sessionStorage.removeItem(KEY);
      field.value = "";
      resolve(used);
    }
  });
}
