// Prices a quote: plain functions on plain numbers, as such systems have them.

// A flight earns 7 %, at least 22 and at most 200; a transfer earns 35 % or 35, whichever is larger.
const PRODUCT_MARKUP = {
  flights: (base) => Math.min(Math.max(base * 0.07, 22), 200),
  transfers: (base) => Math.max(base * 0.35, 35),
};

export const ITEM_LISTS = ['flights', 'hotels', 'activities', 'transfers', 'carRentals', 'customItems'];

const round = (amount) => Math.round((amount + Number.EPSILON) * 100) / 100;

function itemBase(item, travelers) {
  switch (item.priceType) {
    case 'per_person':
      return item.price * (item.priceAppliesTo || travelers);
    case 'per_night':
      return item.price * (item.nights || 1);
    default: // total, per_unit
      return item.price;
  }
}

/** Returns the amounts of a quote; `quote` has the item lists, the travellers and the four terms of the offer. */
export function price(quote) {
  const travelers = quote.adults + quote.children + quote.infants;
  let basePrice = 0;
  let productMarkup = 0;
  for (const list of ITEM_LISTS) {
    for (const item of quote[list] ?? []) {
      const base = round(itemBase(item, travelers));
      basePrice += base;
      const markup = PRODUCT_MARKUP[list];
      if (markup && base > 0) productMarkup += round(markup(base));
    }
  }
  if (quote.insurance) basePrice += round(itemBase(quote.insurance, travelers));

  basePrice = round(basePrice);
  productMarkup = round(productMarkup);
  const subtotal = round(basePrice + productMarkup);
  const agentMarkup = round((basePrice * quote.agentMarkupPercent) / 100);
  const total = round(subtotal + agentMarkup + quote.taxes + quote.fees - quote.discount);
  return { travelers, basePrice, productMarkup, subtotal, agentMarkup, total, perPerson: round(total / travelers) };
}
