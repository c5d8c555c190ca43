// Checks and converts what a caller sends, in the hand-written way of such systems: the required fields, the bounds
// that matter, all problems listed.

import { ITEM_LISTS } from './pricing.mjs';

const CURRENCIES = new Set(['USD', 'EUR', 'GBP', 'CAD', 'AUD', 'CHF', 'JPY']);
const PRICE_TYPES = new Set(['total', 'per_person', 'per_night', 'per_unit']);
const REQUIRED_OF_ITEM = {
  flights: ['airline', 'date'],
  hotels: ['name', 'checkIn', 'checkOut'],
  activities: ['name'],
  transfers: ['provider'],
  carRentals: ['company'],
  customItems: ['name'],
};
const TEXTS = ['importantInfo', 'customNotes', 'agentNotes', 'commissionLabel'];
const TEXT_LISTS = ['inclusions', 'exclusions'];
const AMOUNTS = ['taxes', 'fees', 'discount'];
const DATES = ['startDate', 'endDate'];
const DAY_MS = 24 * 60 * 60 * 1000;

// What a caller may set; anything else in the body is not copied.
const FIELDS = [
  'clientId', 'tripName', 'destination', ...DATES, 'adults', 'children', 'infants', 'currency', 'agentMarkupPercent',
  'showCommissionToClient', 'insurance', ...AMOUNTS, ...ITEM_LISTS, ...TEXTS, ...TEXT_LISTS,
];

const DEFAULTS = {
  clientId: null, children: 0, infants: 0, currency: 'USD', agentMarkupPercent: 15, showCommissionToClient: false,
  insurance: null, taxes: 0, fees: 0, discount: 0, flights: [], hotels: [], activities: [], transfers: [],
  carRentals: [], customItems: [], importantInfo: null, customNotes: null, agentNotes: null, commissionLabel: null,
  inclusions: [], exclusions: [],
};

export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const isText = (value, max = 10_000) => typeof value === 'string' && value.trim() !== '' && value.length <= max;
const isCount = (value) => Number.isInteger(value) && value >= 0;
const isAmount = (value) => Number.isFinite(value) && value >= 0 && value <= 99_999_999.99;

/** Returns the settable fields that the body names, dates as Date. */
export function pick(body) {
  const picked = {};
  for (const field of FIELDS) {
    if (body[field] !== undefined) picked[field] = body[field];
  }
  for (const field of DATES) {
    // A Date that is not one, rather than the year 1970, for anything but a text.
    if (field in picked) picked[field] = new Date(typeof picked[field] === 'string' ? picked[field] : NaN);
  }
  return picked;
}

/** Returns a complete quote: what was sent over what is stored, or over the defaults. */
export function merge(sent, stored = DEFAULTS) {
  const merged = {};
  for (const field of FIELDS) merged[field] = sent[field] !== undefined ? sent[field] : stored[field];
  return merged;
}

/** Returns the problems of a complete quote, an empty list when it may be saved. */
export function problems(quote) {
  const found = [];
  const check = (holds, field, message) => {
    if (!holds) found.push({ field, message });
  };

  check(isText(quote.tripName, 200), 'tripName', 'is required, at most 200 characters');
  check(isText(quote.destination, 200), 'destination', 'is required, at most 200 characters');
  const start = quote.startDate instanceof Date ? quote.startDate.getTime() : NaN;
  const end = quote.endDate instanceof Date ? quote.endDate.getTime() : NaN;
  check(!Number.isNaN(start), 'startDate', 'must be a date');
  check(!Number.isNaN(end), 'endDate', 'must be a date');
  check(!(end <= start), 'endDate', 'must be after startDate');
  check(!(durationDays(quote) > 365), 'endDate', 'must be within 365 days of startDate');
  check(isCount(quote.adults) && quote.adults >= 1, 'adults', 'must be at least 1');
  check(isCount(quote.children), 'children', 'must be 0 or more');
  check(isCount(quote.infants), 'infants', 'must be 0 or more');
  check(!(quote.adults + quote.children + quote.infants > 50), 'adults', 'at most 50 travellers');
  check(CURRENCIES.has(quote.currency), 'currency', 'is not supported');
  const percent = quote.agentMarkupPercent;
  check(isAmount(percent) && percent <= 100, 'agentMarkupPercent', 'must be 0 to 100');
  for (const field of AMOUNTS) check(isAmount(quote[field]), field, 'must be 0 or more');
  for (const field of TEXTS) check(quote[field] === null || isOptionalText(quote[field]), field, 'must be a text');
  for (const field of TEXT_LISTS) {
    check(Array.isArray(quote[field]) && quote[field].every(isOptionalText), field, 'must be a list of texts');
  }
  check(typeof quote.showCommissionToClient === 'boolean', 'showCommissionToClient', 'must be true or false');
  check(quote.clientId === null || UUID.test(quote.clientId), 'clientId', 'must be a client id');

  for (const list of ITEM_LISTS) {
    if (!Array.isArray(quote[list]) || quote[list].length > 100) {
      check(false, list, 'must be a list of at most 100 items');
      continue;
    }
    quote[list].forEach((item, index) => checkItem(check, item, `${list}[${index}]`, REQUIRED_OF_ITEM[list]));
  }
  if (quote.insurance !== null) checkItem(check, quote.insurance, 'insurance', []);
  return found;
}

/** Returns the length of the trip in started days. */
export function durationDays(quote) {
  return Math.ceil((quote.endDate - quote.startDate) / DAY_MS);
}

function isOptionalText(value) {
  return typeof value === 'string' && value.length <= 10_000;
}

function checkItem(check, item, field, required) {
  if (item === null || typeof item !== 'object') {
    check(false, field, 'must be an object');
    return;
  }
  for (const name of required) check(isText(item[name]), `${field}.${name}`, 'is required');
  check(isAmount(item.price), `${field}.price`, 'must be 0 or more');
  check(item.priceType === undefined || PRICE_TYPES.has(item.priceType), `${field}.priceType`, 'is not known');
  const appliesTo = item.priceAppliesTo;
  check(appliesTo === undefined || isCount(appliesTo), `${field}.priceAppliesTo`, 'must be a count');
  if (item.priceType === 'per_night') check(isCount(item.nights), `${field}.nights`, 'is required per night');
}
