// Draws a Plotly figure and redraws it in place, in the colours of the page's theme.

const libraries = new Map();

function library(url) {
  if (!libraries.has(url)) {
    libraries.set(url, new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = url;
      script.onload = () => resolve(window.Plotly);
      script.onerror = () => {
        libraries.delete(url); // the next refresh tries again
        reject(new Error(url));
      };
      document.head.append(script);
    }));
  }
  return libraries.get(url);
}

// The theme's values as the page knows them; the figure brings what they do not decide.
function template(target) {
  const style = getComputedStyle(target);
  const value = (name) => style.getPropertyValue(`--st-${name}`).trim();
  const colours = (name) => value(name).split(",").map((colour) => colour.trim());
  const steps = colours("chart-sequential-colors");
  const line = { gridcolor: value("border-color"), zerolinecolor: value("border-color") };
  return {
    layout: {
      colorway: colours("chart-categorical-colors"),
      colorscale: {
        sequential: steps.map((colour, number) => [number / (steps.length - 1), colour]),
      },
      font: { family: value("font"), size: 12, color: value("text-color") },
      paper_bgcolor: "transparent",
      // The page's own ground: Plotly sets off against it what it draws under the pointer.
      plot_bgcolor: value("background-color"),
      xaxis: { ...line, showgrid: false, automargin: true },
      yaxis: { ...line, automargin: true },
      hoverlabel: {
        bgcolor: value("secondary-background-color"),
        bordercolor: value("border-color"),
        font: { family: value("font"), color: value("text-color") },
      },
    },
  };
}

// Tells the page which part of the chart was clicked, or lies in a box that was dragged over it.
function listen(target, Plotly) {
  target.on("plotly_click", ({ points: [point] }) => {
    if (target.pick) target.pick([point.x, point.x], [point.y, point.y]);
  });
  target.on("plotly_selected", (event) => {
    if (!event?.range) return;
    const { x, y } = event.range;
    Plotly.relayout(target, { selections: [] });
    if (target.pick) target.pick(x, y);
  });
}

// Plotly works in steps, and fails if the chart is taken apart between two of them.
function busy(target, work) {
  target.work = Promise.allSettled([target.work, work]);
  return work;
}

export default function ({ data, parentElement, setTriggerValue }) {
  let target = parentElement.querySelector(".saveguard-plot");
  if (!target) {
    target = document.createElement("div");
    target.className = "saveguard-plot";
    target.setAttribute("role", "figure");
    target.sizes = new ResizeObserver(() => {
      // Refused where the chart is out of sight: there is no size to give it.
      if (target.drawn) busy(target, target.drawn.Plots.resize(target)).catch(() => {});
    });
    target.sizes.observe(target);
    parentElement.append(target);
  }
  const figure = JSON.parse(data.figure);
  target.setAttribute("aria-label", data.alt);
  target.style.height = `${figure.layout.height}px`;
  target.newest = data;
  target.pick = data.picks
    ? (x, y) => setTriggerValue("picked", { x: x.map(String), y: y.map(Number) })
    : null;
  library(data.library).then((Plotly) => {
    // A box that is being dragged is not torn out of the viewer's hand: the next refresh draws.
    if (target.newest !== data || !target.isConnected || target._dragging) return;
    const layout = { ...figure.layout, autosize: true, template: template(target) };
    // A finger that drags wants to scroll the page.
    if (matchMedia("(pointer: coarse)").matches) layout.dragmode = false;
    busy(target, Plotly.react(target, figure.data, layout, data.config)).then(() => {
      if (!target.drawn) listen(target, Plotly);
      target.drawn = Plotly;
      target.dataset.end = data.end;
    });
  }, () => {
    target.textContent = "The chart could not be loaded.";
  });
  return () => {
    target.sizes.disconnect();
    target.remove(); // whoever comes next draws in one of their own
    Promise.resolve(target.work).then(() => target.drawn?.purge(target));
  };
}
