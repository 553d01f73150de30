// Zoom: a picture of the page opens in a dialog that fills the screen. Everything is on the page already.
(() => {
  const steps = [1, 1.5, 2, 3, 4, 6];

  function dialog() {
    let made = document.getElementById("ba-dialog");
    if (made) return made;
    made = document.createElement("dialog");
    made.id = "ba-dialog";
    made.innerHTML =
      '<div class="ba-bar-top"><p></p><button type="button" data-act="wider">−</button>' +
      '<button type="button" data-act="closer">+</button><button type="button" data-act="close">×</button></div>' +
      '<div class="ba-sheet" tabindex="0"><img></div>';
    document.body.append(made);
    made.addEventListener("click", (event) => {
      const act = event.target.dataset.act;
      if (act === "close" || event.target === made) made.close();
      else if (act === "closer") zoom(1);
      else if (act === "wider") zoom(-1);
      else if (event.target.tagName === "IMG") zoom(level ? -level : 2, event);
    });
    made.addEventListener("keydown", (event) => {
      if (event.key === "+" || event.key === "=") zoom(1);
      if (event.key === "-") zoom(-1);
    });
    made.querySelector(".ba-sheet").addEventListener("wheel", (event) => {
      event.preventDefault();
      zoom(event.deltaY < 0 ? 1 : -1, event);
    }, { passive: false });
    return made;
  }

  let level = 0;
  function zoom(change, event) {
    const sheet = document.querySelector("#ba-dialog .ba-sheet");
    const image = sheet.querySelector("img");
    const place = image.getBoundingClientRect();
    const x = event ? (event.clientX - place.left) / place.width : 0.5;
    const y = event ? (event.clientY - place.top) / place.height : 0.5;
    level = Math.max(0, Math.min(steps.length - 1, level + change));
    image.style.height = `${100 * steps[level]}%`;
    image.style.maxWidth = level ? "none" : "100%";
    image.style.cursor = level ? "zoom-out" : "zoom-in";
    sheet.scrollLeft = x * image.offsetWidth - sheet.clientWidth / 2;
    sheet.scrollTop = y * image.offsetHeight - sheet.clientHeight / 2;
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest && event.target.closest(".ba-zoom");
    if (!button) return;
    const made = dialog();
    const shown = button.querySelector("img");
    const image = made.querySelector("img");
    image.src = shown.src;
    image.alt = shown.alt;
    const caption = button.parentElement.querySelector("figcaption").textContent;
    made.setAttribute("aria-label", caption);
    made.querySelector("p").textContent = caption;
    for (const act of ["wider", "closer", "close"]) {
      made.querySelector(`[data-act=${act}]`).setAttribute("aria-label", button.dataset[act]);
    }
    level = 0;
    made.showModal();
    zoom(0);
    made.querySelector("[data-act=close]").focus();
  });
})();
