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
  const line = { gridcolor: value("border-color"), zerolinecolor: value("border-color") };
  return {
    layout: {
      colorway: value("chart-categorical-colors").split(",").map((colour) => colour.trim()),
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

export default function ({ data, parentElement }) {
  let target = parentElement.querySelector(".saveguard-plot");
  if (!target) {
    target = document.createElement("div");
    target.className = "saveguard-plot";
    target.setAttribute("role", "figure");
    target.sizes = new ResizeObserver(() => target.drawn?.Plots.resize(target));
    target.sizes.observe(target);
    parentElement.append(target);
  }
  const figure = JSON.parse(data.figure);
  target.setAttribute("aria-label", data.alt);
  target.style.height = `${figure.layout.height}px`;
  target.newest = data;
  library(data.library).then((Plotly) => {
    if (target.newest !== data || !target.isConnected) return;
    const layout = { ...figure.layout, autosize: true, template: template(target) };
    Plotly.react(target, figure.data, layout, data.config).then(() => {
      target.drawn = Plotly;
      target.dataset.end = data.end;
    });
  }, () => {
    target.textContent = "The chart could not be loaded.";
  });
  return () => {
    target.sizes.disconnect();
    target.drawn?.purge(target);
  };
}
