"""The quote that every bench saves: one flight, one hotel, two activities, about 2 kB of JSON."""

from __future__ import annotations

from typing import Any

_WALK = "Breakfast is included and the room faces the old town; ask for a late check-out."


def quote_payload(client_id: str) -> dict[str, Any]:
    """The body of a create, for our API and for the peer's.

    Args:
        client_id: a client of the saving agent.
    """
    return {
        "clientId": client_id,
        "tripName": "Five days in Lisbon",
        "destination": "Lisbon",
        "startDate": "2027-05-01T00:00:00Z",
        "endDate": "2027-05-06T00:00:00Z",
        "adults": 2,
        "children": 0,
        "infants": 0,
        "currency": "EUR",
        "agentMarkupPercent": 12,
        "taxes": 120.5,
        "fees": 35,
        "discount": 50,
        "flights": [
            {
                "airline": "TAP Air Portugal",
                "flightNumber": "TP 1023",
                "origin": "ZRH",
                "originCity": "Zurich",
                "destination": "LIS",
                "destinationCity": "Lisbon",
                "date": "2027-05-01",
                "departureTime": "07:25",
                "arrivalTime": "09:20",
                "duration": "2h 55m",
                "stops": 0,
                "cabinClass": "economy",
                "passengers": 2,
                "price": 450,
                "priceType": "per_person",
                "priceAppliesTo": 2,
            }
        ],
        "hotels": [
            {
                "name": "Hotel do Chiado",
                "location": "Rua Nova do Almada 114, Lisbon",
                "roomType": "Double, river view",
                "stars": 4,
                "checkIn": "2027-05-01",
                "checkOut": "2027-05-06",
                "nights": 5,
                "guests": 2,
                "amenities": ["breakfast", "wifi", "terrace"],
                "price": 180,
                "priceType": "per_night",
            }
        ],
        "activities": [
            {
                "name": "Walk through Alfama",
                "location": "Lisbon",
                "description": "Three hours with a local guide. " + _WALK,
                "duration": "3h",
                "date": "2027-05-02",
                "time": "10:00",
                "participants": 2,
                "includes": ["guide", "tasting"],
                "price": 60,
                "priceType": "per_person",
                "priceAppliesTo": 2,
            },
            {
                "name": "Day trip to Sintra",
                "location": "Sintra",
                "description": "Palaces and gardens by small bus. " + _WALK,
                "duration": "8h",
                "date": "2027-05-03",
                "time": "09:00",
                "participants": 2,
                "includes": ["transport", "tickets"],
                "price": 75,
                "priceType": "total",
            },
        ],
        "inclusions": ["Flights", "Hotel with breakfast", "Guided tours"],
        "exclusions": ["Travel insurance", "Meals"],
        "importantInfo": "Passports must be valid for three months after the return.",
        "customNotes": "Anniversary trip: a quiet room, please. " + _WALK,
        "agentNotes": "Prefers morning flights.",
    }
