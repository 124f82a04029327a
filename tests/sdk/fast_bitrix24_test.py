"""fast-bitrix24, as a program uses it, against the simulated portal."""

import os
import unittest

from fast_bitrix24 import Bitrix

PORTAL = Bitrix(os.environ["BITRIX24_WEBHOOK"], respect_velocity_policy=True)


class Portal(unittest.TestCase):
    def test_one_call(self):
        self.assertEqual(PORTAL.call("profile", raw=True)["result"]["EMAIL"], "admin@club.example")

    def test_records_in_batches_and_all_of_them_back(self):
        people = [
            {"fields": {"NAME": f"Ann {n}", "EMAIL": [{"VALUE": f"ann{n}@x.io", "VALUE_TYPE": "WORK"}]}}
            for n in range(120)
        ]
        made = PORTAL.call("crm.contact.add", people)
        self.assertEqual(len(made), 120)
        everybody = PORTAL.get_all("crm.contact.list", params={"select": ["ID", "NAME", "EMAIL"]})
        self.assertEqual(len(everybody), 120)
        self.assertEqual(len({person["ID"] for person in everybody}), 120)
        self.assertTrue(all(person["EMAIL"][0]["VALUE"].endswith("@x.io") for person in everybody))
        some = PORTAL.get_by_ID("crm.contact.get", [made[0], made[7]])
        self.assertEqual({record["ID"] for record in some.values()}, {str(made[0]), str(made[7])})

    def test_a_refusal_in_a_batch_is_seen(self):
        with self.assertRaisesRegex(Exception, "Not found"):
            PORTAL.call("crm.deal.update", [{"ID": 999, "fields": {"TITLE": "x"}}, {"ID": 998, "fields": {}}])

    def test_a_chain_of_commands(self):
        result = PORTAL.call_batch(
            {
                "halt": 0,
                "cmd": {
                    "deal": "crm.deal.add?fields[TITLE]=Annual",
                    "read": "crm.deal.get?id=$result[deal]",
                },
            }
        )
        self.assertEqual(result["read"]["TITLE"], "Annual")


if __name__ == "__main__":
    unittest.main()
