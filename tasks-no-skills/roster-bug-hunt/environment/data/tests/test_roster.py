import unittest

from roster import Clash, Roster, SpanSet, dumps, loads


class Spans(unittest.TestCase):
    def test_add_merges(self):
        spans = SpanSet([(10, 20), (30, 40)])
        spans.add(20, 25)
        self.assertEqual(spans.spans(), [(10, 25), (30, 40)])
        spans.add(15, 35)
        self.assertEqual(spans.spans(), [(10, 40)])

    def test_remove(self):
        spans = SpanSet([(10, 40)])
        spans.remove(20, 30)
        self.assertEqual(spans.spans(), [(10, 20), (30, 40)])
        self.assertEqual(spans.gaps(0, 50), [(0, 10), (20, 30), (40, 50)])

    def test_covers(self):
        spans = SpanSet([(10, 20)])
        self.assertTrue(spans.covers(10, 20))
        self.assertFalse(spans.covers(10, 21))


class Rosters(unittest.TestCase):
    def test_clash(self):
        roster = Roster()
        roster.book("Dana", "2024-03-04", "09:00-12:00")
        with self.assertRaises(Clash):
            roster.book("Dana", "2024-03-04", "11:00-13:00")
        roster.book("Dana", "2024-03-04", "12:00-13:00")
        self.assertEqual(roster.shifts("Dana", "2024-03-04"), ["09:00-13:00"])

    def test_night(self):
        roster = Roster()
        roster.book("Fay", "2024-03-04", "22:00-06:00")
        self.assertEqual(roster.shifts("Fay", "2024-03-05"), ["00:00-06:00"])
        self.assertEqual(roster.minutes("Fay", "2024-03-04", "2024-03-05"), 480)

    def test_free(self):
        roster = Roster()
        roster.book("Dana", "2024-03-04", "09:00-12:00")
        self.assertEqual(roster.free("Dana", "2024-03-04"), ["08:00-09:00", "12:00-18:00"])

    def test_text(self):
        roster = Roster()
        roster.book("Dana", "2024-03-04", "09:00-12:00")
        roster.book("Edo", "2024-03-04", "10:00-11:00")
        self.assertEqual(loads(dumps(roster)), roster)


if __name__ == "__main__":
    unittest.main()
