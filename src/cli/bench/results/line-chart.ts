// A line chart as SVG: linear x, logarithmic y, series of points with labels. Axes and polylines only; a chart that needs
// more should come from a library.

export interface ChartSeries {
  readonly name: string;
  readonly isDashed: boolean;
  /** Series of one colour belong together. */
  readonly color: number;
  /** `y` is more than 0. */
  readonly points: readonly { readonly x: number; readonly y: number; readonly label: string }[];
}

export interface Chart {
  readonly title: string;
  readonly xTitle: string;
  readonly yTitle: string;
  readonly note: string;
  readonly series: readonly ChartSeries[];
}

const width = 860;
const height = 520;
const plot = { left: 80, right: 660, top: 50, bottom: 430 } as const;
const colors = ["#0b62a4", "#c2410c", "#15803d", "#7e22ce"] as const;

export function chartSvg({ title, xTitle, yTitle, note, series }: Chart): string {
  const points = series.flatMap((one) => one.points);
  const x = linear(Math.max(...points.map((point) => point.x)));
  const y = logarithmic(points.map((point) => point.y));
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${String(width)}" height="${String(height)}" viewBox="0 0 ${String(width)} ${String(height)}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="white"/>`,
    text({ x: plot.left, y: 28, size: 16 }, title),
    ...x.ticks.map((tick) => line(x.at(tick), plot.top, x.at(tick), plot.bottom) + text({ x: x.at(tick), y: plot.bottom + 18, anchor: "middle" }, numberText(tick))),
    ...y.ticks.map((tick) => line(plot.left, y.at(tick), plot.right, y.at(tick)) + text({ x: plot.left - 8, y: y.at(tick) + 4, anchor: "end" }, numberText(tick))),
    text({ x: (plot.left + plot.right) / 2, y: plot.bottom + 40, anchor: "middle" }, xTitle),
    text({ x: plot.left, y: plot.top - 8 }, yTitle),
    text({ x: plot.left, y: height - 14, size: 10 }, note),
    ...series.flatMap((one, index) => seriesSvg(one, index, x.at, y.at)),
    "</svg>",
  ];
  return `${lines.join("\n")}\n`;
}

function seriesSvg({ name, isDashed, color, points }: ChartSeries, index: number, x: (value: number) => number, y: (value: number) => number): string[] {
  const stroke = colors[color % colors.length] as string;
  const style = `fill="none" stroke="${stroke}" stroke-width="2"${isDashed ? ' stroke-dasharray="6 4"' : ""}`;
  const places = points.map((point) => `${fixed(x(point.x))},${fixed(y(point.y))}`).join(" ");
  const legend = plot.top + 16 + index * 20;
  return [
    `<polyline points="${places}" ${style}/>`,
    ...points.map((point) => `<circle cx="${fixed(x(point.x))}" cy="${fixed(y(point.y))}" r="3" fill="${stroke}"><title>${escaped(`${name}, ${point.label}: ${numberText(point.y)}`)}</title></circle>`),
    ...points.map((point) => text({ x: x(point.x) + 5, y: y(point.y) - 5, size: 9 }, point.label)),
    `<polyline points="${String(plot.right + 20)},${String(legend)} ${String(plot.right + 50)},${String(legend)}" ${style}/>`,
    text({ x: plot.right + 56, y: legend + 4 }, name),
  ];
}

interface Scale {
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
}

/** From 0, with about five ticks at round numbers. */
function linear(max: number): Scale {
  const power = 10 ** Math.floor(Math.log10(max / 5));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => max / size <= 6) ?? max;
  const end = Math.ceil(max / step) * step;
  const ticks = Array.from({ length: Math.round(end / step) + 1 }, (_, index) => index * step);
  return { at: (value) => plot.left + (value / end) * (plot.right - plot.left), ticks };
}

/** Over whole powers of ten. */
function logarithmic(values: readonly number[]): Scale {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  const ticks = Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index));
  return { at: (value) => plot.bottom - ((Math.log10(value) - low) / (high - low)) * (plot.bottom - plot.top), ticks };
}

function line(x1: number, y1: number, x2: number, y2: number): string {
  return `<line x1="${fixed(x1)}" y1="${fixed(y1)}" x2="${fixed(x2)}" y2="${fixed(y2)}" stroke="#d4d4d8"/>`;
}

function text({ x, y, anchor = "start", size = 12 }: { readonly x: number; readonly y: number; readonly anchor?: string; readonly size?: number }, content: string): string {
  return `<text x="${fixed(x)}" y="${fixed(y)}" text-anchor="${anchor}" font-size="${String(size)}" fill="#27272a">${escaped(content)}</text>`;
}

function fixed(value: number): string {
  return value.toFixed(1);
}

function numberText(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString("en-US");
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
