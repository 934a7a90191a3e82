// Evaluates expressions of FEEL with feelin: a request a line on the standard input, an answer a line on the output.
// Request: {"text": "…"} or {"text": "…", "input": "…"} (a unary test of the value of the expression `input`).
// Answer: {"value": …, "warnings": […]} or {"error": "…"}. Values carry their kind, as JSON has fewer than FEEL.
import { createInterface } from 'node:readline';
import { FeelDate, FeelDateTime, FeelDuration, FeelTime, evaluate, isFunction, isRange, unaryTest } from 'feelin';

function tagged(value) {
  if (value === null || value === undefined) return null;
  if (typeof value === 'boolean') return value;
  if (typeof value === 'number') return { number: String(value) };
  if (typeof value === 'string') return { string: value };
  if (Array.isArray(value)) return { list: value.map(tagged) };
  if (value instanceof FeelDate) return { date: value.toString() };
  if (value instanceof FeelTime) return { time: value.toString() };
  if (value instanceof FeelDateTime) return { 'date and time': value.toString() };
  if (value instanceof FeelDuration) return { duration: value.toString() };
  if (isRange(value)) {
    return {
      range: [value['start included'], tagged(value.start), tagged(value.end), value['end included']],
    };
  }
  if (typeof value === 'function' || isFunction(value)) return { function: true };
  return { context: Object.entries(value).map(([key, entry]) => [key, tagged(entry)]) };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { text, input } = JSON.parse(line);
  let answer;
  try {
    const { value, warnings } =
      input === undefined ? evaluate(text) : unaryTest(text, { '?': evaluate(input).value });
    answer = { value: tagged(value), warnings: warnings.map((warning) => warning.type) };
  } catch (error) {
    answer = { error: error.message };
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
}
