package conformance

import "fmt"

const (
	purchasesPath    = "/apis/v1/purchases"
	transactionsPath = "/apis/v1/redemption-transactions"
	statusesPath     = "/apis/v1/redemption-statuses"
)

// makesStatus makes a status of orders and returns its id.
func (c caller) makesStatus(in club, changes object) string {
	return c.post(statusesPath, object{"serverId": in.id, "name": "conf-" + unknownID(), "category": "incomplete", "color": "#000001"}.and(changes)).expect(201).text("/data/_id")
}

// earns gives a member coins.
func (c caller) earns(in club, number string, coins int) {
	badge := c.makesBadge(in, object{"awardCurrency": true, "awardCurrencyQuantity": coins})
	c.post("/badges/"+badge+"/award", object{"userId": number}).expect(200)
}

// buys buys a product, and returns the answer.
func (c caller) buys(product string, changes object) *answer {
	return c.post(purchasesPath, object{"productID": product}.and(changes))
}

// makesOrder buys something that costs nothing, and returns the transaction id.
func (c caller) makesOrder(in club) string {
	return c.buys(c.makesProduct(in, object{"price": 0}), nil).expect(201).text("/data/transactionId")
}

// rewards are the test cases of the tag rewards.
var rewards = []testCase{
	{"REWARDS-BUY-01", "createPurchase listMyPurchases store badges", "a purchase takes the coins, the pieces and the codes in one step, and costs nothing where a rule is against it, which the answer names", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		s.a.earns(club, number, 100)
		mug := s.a.makesProduct(club, object{"price": 30, "stocks": 2})
		asksName := object{"isEnabled": true, "shouldCollectName": true, "shouldCollectPhone": false, "shouldCollectAddress": false}
		code := s.a.makesProduct(club, object{"price": 40, "type": "voucher", "vouchers": []any{"CODE-ONE", "CODE-TWO"}})
		got := s.b.buys(mug, nil).expect(201).says("Purchase created successfully").is("/data/balance", 70).is("/data/total", 30).is("/data/vouchers", []any{})
		s.b.buys(mug, object{"quantity": 2}).conflictsAt("/quantity", "sold_out")
		s.b.buys(code, object{"price": 39}).conflictsAt("/price", "price_changed")
		s.b.buys(code, object{"price": 0}).conflictsAt("/price", "price_changed")
		s.b.buys(code, object{"price": 40}).expect(201).is("/data/balance", 30).is("/data/vouchers", []any{"CODE-ONE"})
		s.b.buys(code, nil).conflictsAt("/productID", "not_enough_coins")
		s.b.get(purchasesPath+"?serverId="+club.id).expect(200).is("/data/0/vouchers", []any{"CODE-ONE"}).is("/data/1/transactionId", got.at("/data/transactionId"))
		s.a.get(productsPath+"/"+mug).expect(200).is("/data/stocks", 1).is("/data/totalOrders", 1)
		for changes, code := range map[string]string{"isArchived": "archived", "availableFrom": "not_on_sale", "isProductAccessEnabled": "not_for_you"} {
			value := map[string]any{"isArchived": true, "availableFrom": "2100-01-01T00:00:00.000Z", "isProductAccessEnabled": true}[changes]
			s.b.buys(s.a.makesProduct(club, object{"price": 0, changes: value, "userInformation": asksName}), nil).conflictsAt("/productID", code)
		}
		asks := s.a.makesProduct(club, object{"price": 0, "userInformation": asksName})
		s.b.buys(asks, nil).refuses("/userInformation/name", "required")
		s.b.buys(asks, object{"userInformation": object{"name": "Ben", "phone": "1"}}).expect(201).is("/data/userInformation", object{"name": "Ben"})
		s.a.put(storePath, object{"serverId": club.id, "isEnabled": false}).expect(200)
		s.b.buys(mug, nil).conflictsAt("/productID", "closed")
	}},
	{"REWARDS-PRICE-01", "createPurchase store roles", "the price is that of the moment and of the member, and a limit holds for them", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.b.joins(club)
		all := permits("@all", "full-access").and(object{
			"purchaseAccess": object{"specialPrice": 0, "isSpecialPriceEnabled": true},
			"purchaseLimit":  object{"isPurchaseLimitEnabled": true, "quantity": 2, "intervalCount": 1, "intervalUnit": "days"},
		})
		title := s.a.get("/servers/" + club.id + "/roles").expect(200).text("/body/0/title")
		all["permission"] = object{"roleNames": []any{title}}
		mug := s.a.makesProduct(club, object{"price": 30, "productPermission": []any{all}})
		s.b.get(productsPath+"/"+mug).expect(200).is("/data/currentPrice", 0)
		s.b.buys(mug, object{"quantity": 2}).expect(201).is("/data/total", 0)
		s.b.buys(mug, nil).conflictsAt("/quantity", "limit_reached")
	}},
	{"REWARDS-CANCEL-01", "updateTransactionStatus createPurchase listTransactions listRedemptionStatuses store badges", "a new community has four statuses; to cancel an order gives coins and pieces back, once, and from there is no way out", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		s.a.earns(club, number, 100)
		statuses := s.a.get(statusesPath + "?serverId=" + club.id).expect(200)
		for i, name := range []string{"Pending", "Shipping", "Completed", "Cancelled"} {
			statuses.is(fmt.Sprintf("/data/%d/name", i), name)
		}
		mug := s.a.makesProduct(club, object{"price": 30, "stocks": 2})
		order := s.b.buys(mug, nil).expect(201).is("/data/status/name", "Pending").text("/data/transactionId")
		move := func(name string) *answer {
			id := statuses.text(statuses.find("/data", "name", name) + "/_id")
			return s.a.put(transactionsPath+"/status", object{"transactionId": order, "statusId": id})
		}
		balance := func(want int) {
			s.a.get("/servers/"+club.id+"/members/"+number+"/balance").expect(200).is("/body/coins", want)
		}
		move("Completed").expect(200).says("Transaction status updated successfully").is("/data/status/category", "complete")
		balance(70)
		for range 2 {
			move("Cancelled").expect(200)
			balance(100)
			s.a.get(productsPath+"/"+mug).expect(200).is("/data/stocks", 2)
		}
		move("Pending").conflictsAt("/statusId")
		s.a.get(transactionsPath+"?serverId="+club.id+"&productID="+mug).expect(200).is("/data/transactions/0/status/name", "Cancelled").is("/data/transactions/0/user/id", number)
		s.b.put(transactionsPath+"/status", object{"transactionId": order, "statusId": statuses.text("/data/0/_id")}).expect(403)
	}},
	{"REWARDS-ORDERS-01", "listTransactions listTransactionsByEmail createPurchase store keys auth", "a key that buys in the name of a member is shown no codes, which the member finds among what they have bought", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		key := s.a.makesKey(club, "redemptions")
		code := s.a.makesProduct(club, object{"price": 0, "type": "voucher", "vouchers": []any{"CODE-ONE"}})
		key.buys(code, nil).refuses("/user", "required")
		order := key.buys(code, object{"user": number}).expect(201).is("/data/vouchers", []any{}).text("/data/transactionId")
		key.buys(code, object{"user": number}).conflictsAt("/quantity")
		email := s.b.get("/auth/me").expect(200).text("/body/email")
		for _, found := range []*answer{
			key.post(transactionsPath+"/by-email", object{"email": email}), key.get(transactionsPath), s.a.get(transactionsPath + "?serverId=" + club.id),
		} {
			found.expect(200).is("/data/transactions/0/transactionId", order).is("/data/transactions/0/user/id", number).lacks("/data/transactions/0/vouchers")
		}
		key.post(transactionsPath+"/by-email", object{"email": freshEmail()}).expect(404)
		s.b.get(purchasesPath+"?serverId="+club.id).expect(200).is("/data/0/vouchers", []any{"CODE-ONE"})
		s.a.get(purchasesPath+"?serverId="+club.id).expect(200).is("/data", []any{})
	}},
	{"REWARDS-STATUS-01", "createRedemptionStatus getRedemptionStatus updateRedemptionStatus deleteRedemptionStatus updateTransactionStatus createPurchase store", "a status that something has stays as it is, and a name is that of one", func(s *session) {
		club := s.a.makesServer("Chess club")
		status := s.a.makesStatus(club, object{"name": "Packed"})
		s.a.post(statusesPath, object{"serverId": club.id, "name": "PACKED", "category": "complete", "color": "#000000"}).conflictsAt("/name")
		order := s.a.makesOrder(club)
		s.a.put(transactionsPath+"/status", object{"transactionId": order, "statusId": status}).expect(200)
		s.a.put(statusesPath+"/"+status, object{"category": "cancelled"}).expect(409)
		s.a.put(statusesPath+"/"+status, object{"color": "#123456"}).expect(200).is("/data/color", "#123456")
		s.a.get(statusesPath+"/"+status).expect(200).is("/data/color", "#123456").is("/data/name", "Packed")
		s.a.delete(statusesPath + "/" + status).expect(409)
		s.a.delete(statusesPath + "/" + s.a.makesStatus(club, nil)).expect(200)

		other := s.a.makesServer("Go club")
		for _, one := range s.a.get(statusesPath+"?serverId="+other.id).expect(200).each("/data", "_id") {
			if s.a.get(statusesPath+"/"+one).expect(200).text("/data/category") == "complete" {
				s.a.delete(statusesPath + "/" + one).expect(200)
			}
		}
		var begins []string
		for _, one := range s.a.get(statusesPath+"?serverId="+other.id).expect(200).each("/data", "_id") {
			if s.a.get(statusesPath+"/"+one).expect(200).text("/data/category") == "incomplete" {
				begins = append(begins, one)
			}
		}
		for _, one := range begins[1:] {
			s.a.delete(statusesPath + "/" + one).expect(200)
		}
		s.a.put(statusesPath+"/"+begins[0], object{"category": "cancelled"}).expect(409)
		s.a.delete(statusesPath + "/" + begins[0]).expect(409)
		s.a.put(statusesPath+"/"+begins[0], object{"category": "complete"}).expect(200)
	}},
}
