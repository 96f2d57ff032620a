// Charts as SVG. Each is a picture with a name; the numbers are in a table beside it.

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { isNumber, short } from "./format.js";

export function ticks([low, high], about) {
  const raw = (high - low) / about || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= raw * 0.999);
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: Math.max(count, 0) }, (_, at) => Number(((first + at) * step).toPrecision(12)));
}

// The range of values with their errors; with room around it, and never empty.
export function range(values, errors = []) {
  let [low, high] = [Infinity, -Infinity];
  values.forEach((value, at) => {
    if (!isNumber(value)) return;
    const error = isNumber(errors[at]) ? errors[at] : 0;
    low = Math.min(low, value - error);
    high = Math.max(high, value + error);
  });
  if (low > high) return [0, 1];
  const room = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
  return [low - room, high + room];
}

export const joined = (ranges) => [Math.min(...ranges.map(([low]) => low)), Math.max(...ranges.map(([, high]) => high))];

// A bar in a cell. What is not between 0 and the largest is drawn as none or full.
export const Bar = ({ share, largest }) => (
  <div class="bar" aria-hidden="true">
    <i style={{ width: `${Math.min(Math.max(share / largest || 0, 0), 1) * 100}%` }} />
  </div>
);

// A value with its error, on a line that all rows share.
export function Interval({ value, error, domain: [low, high] }) {
  const at = (x) => `${((Math.min(Math.max(x, low), high) - low) / (high - low)) * 100}%`;
  if (!isNumber(value)) return null;
  return (
    <svg class="interval" aria-hidden="true">
      {low < 0 && high > 0 && <line class="zero" x1={at(0)} x2={at(0)} y1="0" y2="100%" />}
      {isNumber(error) && <line class="error" x1={at(value - error)} x2={at(value + error)} y1="50%" y2="50%" />}
      <circle cx={at(value)} cy="50%" r="3" />
    </svg>
  );
}

// The two ends of the line of Interval, for the head of its column.
export const Ends = ({ domain: [low, high] }) => (
  <span class="ends">
    <span>{short(Number(low.toPrecision(3)))}</span>
    <span>{short(Number(high.toPrecision(3)))}</span>
  </span>
);

const HEIGHT = 230;
const MARGIN = { top: 12, right: 14, bottom: 40, left: 56 };

// Lines with error bars. `series` have a name, values and perhaps errors, each at the same `xs`.
export function Lines({ name, xs, xName, series, domain }) {
  const [width, setWidth] = useState(0);
  const box = useRef();
  useLayoutEffect(() => {
    const observer = new ResizeObserver(() => setWidth(box.current?.clientWidth ?? 0));
    observer.observe(box.current);
    setWidth(box.current.clientWidth);
    return () => observer.disconnect();
  }, []);
  const [xLow, xHigh] = (() => {
    const finite = xs.filter(isNumber);
    const [low, high] = [Math.min(...finite), Math.max(...finite)];
    return low < high ? [low, high] : [low - 1, high + 1];
  })();
  const [yLow, yHigh] = domain;
  const inner = Math.max(width - MARGIN.left - MARGIN.right, 10);
  const x = (value) => MARGIN.left + ((value - xLow) / (xHigh - xLow)) * inner;
  const y = (value) => HEIGHT - MARGIN.bottom - ((value - yLow) / (yHigh - yLow)) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const dots = xs.length * series.length <= 400;
  return (
    <figure ref={box}>
      {width > 0 && (
        <svg role="img" aria-label={name} width={width} height={HEIGHT}>
          {ticks([yLow, yHigh], 5).map((value) => (
            <g>
              <line class={value === 0 ? "zero" : "grid"} x1={MARGIN.left} x2={MARGIN.left + inner} y1={y(value)} y2={y(value)} />
              <text x={MARGIN.left - 8} y={y(value)} class="tick left">{short(value)}</text>
            </g>
          ))}
          {ticks([xLow, xHigh], Math.max(Math.floor(inner / 60), 2)).map((value) => (
            <text x={x(value)} y={HEIGHT - MARGIN.bottom + 18} class="tick below">{short(value)}</text>
          ))}
          <text x={MARGIN.left + inner / 2} y={HEIGHT - 4} class="tick below title">{xName.slice(0, 60)}</text>
          {series.map(({ values, errors }, which) => {
            const points = xs
              .map((at, index) => [at, values[index], errors?.[index]])
              .filter(([at, value]) => isNumber(at) && isNumber(value))
              .sort(([a], [b]) => a - b);
            return (
              <g class={`series s${which % 6}`}>
                <polyline points={points.map(([at, value]) => `${x(at)},${y(value)}`).join(" ")} />
                {dots && points.map(([at, value, error]) => (
                  <>
                    {isNumber(error) && error > 0 && (
                      <line x1={x(at)} x2={x(at)} y1={y(value - error)} y2={y(value + error)} />
                    )}
                    <circle cx={x(at)} cy={y(value)} r="2.5" />
                  </>
                ))}
              </g>
            );
          })}
        </svg>
      )}
      {series.length > 1 && (
        <figcaption class="legend">
          {series.map((one, which) => (
            <span class={`s${which % 6}`}>
              <i aria-hidden="true" /> <bdi>{one.name}</bdi>
            </span>
          ))}
        </figcaption>
      )}
    </figure>
  );
}
