import java.util.concurrent.CountDownLatch;
import org.codelibs.opensearch.runner.OpenSearchRunner;

/** One OpenSearch node with the k-NN plugin on loopback: {@code Node FOLDER HTTP_PORT TRANSPORT_PORT}; it runs until it is ended. */
public final class Node {
    public static void main(String[] args) throws Exception {
        OpenSearchRunner runner = new OpenSearchRunner();
        int port = Integer.parseInt(args[1]);
        runner.setMaxHttpPort(65535);
        runner.onBuild((number, settings) -> {
            settings.put("network.host", "127.0.0.1");
            settings.put("http.port", args[1]);
            settings.put("transport.port", args[2]);
            settings.put("discovery.type", "single-node");
            settings.put("cluster.routing.allocation.disk.threshold_enabled", false); // a full disk of a shared machine is not ours
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                runner.close();
            } catch (Exception error) {
                System.err.println("OpenSearch did not close: " + error);
            }
        }));
        try {
            runner.build(OpenSearchRunner.newConfigs().basePath(args[0]).numOfNode(1).baseHttpPort(port - 1)
                .clusterName("rialto-" + args[1]).pluginTypes("org.opensearch.knn.plugin.KNNPlugin"));
        } catch (Exception error) { // the node's threads would keep the process alive
            error.printStackTrace();
            System.exit(1);
        }
        new CountDownLatch(1).await();
    }
}
